"""Networks for the tests of the native library."""

from __future__ import annotations

import pytest
from tests.native.networks import LIBRARIES, audible_network

from unbraid.native.library import NativeLibrary
from unbraid.networks.htdemucs import HTDemucs


@pytest.fixture(scope="module", params=LIBRARIES, ids=lambda library: library.instructions)
def library(request: pytest.FixtureRequest) -> NativeLibrary:
    """The native library, with each instruction set of this processor."""
    found: NativeLibrary = request.param
    return found


@pytest.fixture(scope="module")
def four() -> HTDemucs:
    """The network of htdemucs and htdemucs_ft."""
    return audible_network(4, 512)


@pytest.fixture(scope="module")
def six() -> HTDemucs:
    """The network of htdemucs_6s."""
    return audible_network(6, 0)
