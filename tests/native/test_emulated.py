"""The whole network agrees with PyTorch in every width, on any processor: intrinsics are emulated."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.native.compiled import compiler
from tests.native.networks import error_db, native_network, run, run_pytorch, song

from unbraid.native.build import platform_supported
from unbraid.native.library import bind
from unbraid.networks.htdemucs import HTDemucs


@pytest.mark.skipif(
    not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
)
def test_emulated_widths_agree(four: HTDemucs, emulated_library: Callable[[str], Path]) -> None:
    mixture = song(1025)
    true = run_pytorch(four, mixture)
    for instructions in ("avx2", "avx512_vnni"):
        library = bind(ctypes.CDLL(str(emulated_library(instructions))), instructions)
        actual = run(native_network(four, library, 1025), mixture)
        assert max(map(error_db, actual, true)) < -66, instructions
        assert all(np.isfinite(one).all() for one in actual)
