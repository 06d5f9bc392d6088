"""Networks for the tests of the native library."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.native.compiled import compile_library
from tests.native.networks import LIBRARIES, audible_network

from unbraid.native.library import NativeLibrary
from unbraid.networks.htdemucs import HTDemucs


@pytest.fixture(scope="module", params=LIBRARIES, ids=lambda library: library.instructions)
def library(request: pytest.FixtureRequest) -> NativeLibrary:
    """The native library, with each instruction set of this processor."""
    found: NativeLibrary = request.param
    return found


@pytest.fixture(scope="session")
def emulated_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile the library for an instruction set with emulated intrinsics, once."""
    folder = tmp_path_factory.mktemp("emulated")
    return cache(lambda name: compile_library(folder / name, name, emulated=True))


@pytest.fixture(scope="session")
def four() -> HTDemucs:
    """The network of htdemucs and htdemucs_ft."""
    return audible_network(4, 512)


@pytest.fixture(scope="session")
def six() -> HTDemucs:
    """The network of htdemucs_6s."""
    return audible_network(6, 0)
