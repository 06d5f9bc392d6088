"""The native linear layer agrees with NumPy in double precision, in every width, and checks what it receives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.native.compiled import compiler
from tests.native.networks import needs_library

from unbraid.native.build import platform_supported
from unbraid.native.library import NativeLibrary, bind
from unbraid.native.linear import NativeLinear
from unbraid.native.memory import aligned_bytes

Floats = NDArray[np.float32]

# Rows and outputs that fill no block, and several blocks of both.
SHAPES = pytest.mark.parametrize(("count", "inputs", "outputs"), [(101, 48, 6), (5, 144, 300), (1, 16, 1)])


def arrays(count: int, inputs: int, outputs: int) -> tuple[Floats, NDArray[np.float16], Floats]:
    """Rows, weights and bias."""
    random = np.random.default_rng(0)
    weight = (random.standard_normal((outputs, inputs)) * inputs**-0.5).astype(np.float16)
    x = random.standard_normal((count, inputs)).astype(np.float32)
    return x, weight, random.standard_normal(outputs).astype(np.float32)


def workspace_of(linear: NativeLinear, count: int, inputs: int) -> NDArray[np.uint8]:
    workspace = aligned_bytes(linear.workspace_bytes(count, inputs))
    workspace[:] = 0xFF  # NaN
    return workspace


def assert_exact(library: NativeLibrary, count: int, inputs: int, outputs: int) -> None:
    x, weight, bias = arrays(count, inputs, outputs)
    linear = NativeLinear(library, threads=1)
    workspace = workspace_of(linear, count, inputs)
    true = x.astype(np.float64) @ weight.astype(np.float64).T + bias
    for use_tanh, expected in ((False, true), (True, np.tanh(true))):
        error = linear.run(x, weight, bias, workspace, use_tanh=use_tanh) - expected
        assert 10 * np.log10(np.square(error).sum() / np.square(expected).sum()) < -74


@needs_library
@SHAPES
def test_agrees_with_numpy(library: NativeLibrary, count: int, inputs: int, outputs: int) -> None:
    assert_exact(library, count, inputs, outputs)


@pytest.mark.skipif(
    not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
)
@pytest.mark.parametrize("instructions", ["avx2", "avx512_vnni"])
@SHAPES
def test_emulated_widths_agree_with_numpy(
    emulated_library: Callable[[str], Path], instructions: str, count: int, inputs: int, outputs: int
) -> None:
    library = bind(ctypes.CDLL(str(emulated_library(instructions))), instructions)
    assert_exact(library, count, inputs, outputs)


@needs_library
def test_result_does_not_depend_on_threads_and_other_calls(library: NativeLibrary) -> None:
    x, weight, bias = arrays(301, 48, 500)
    single, threaded = (NativeLinear(library, threads) for threads in (1, 3))
    expected = single.run(x, weight, bias, workspace_of(single, 301, 48))
    workspaces = [workspace_of(threaded, 301, 48) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(lambda workspace: threaded.run(x, weight, bias, workspace), workspaces):
            assert np.array_equal(result, expected)


@needs_library
@pytest.mark.parametrize(("count", "inputs"), [(0, 16), (1 << 17, 16), (1, 8), (1, 24), (1, 4096)])
def test_rejects_unsupported_sizes(library: NativeLibrary, count: int, inputs: int) -> None:
    linear = NativeLinear(library, threads=1)
    assert linear.workspace_bytes(count, inputs) == 0
    with pytest.raises(ValueError, match="does not support a linear layer of these sizes"):
        linear.run(*arrays(count, inputs, 1), aligned_bytes(1 << 20))


@needs_library
def test_rejects_shapes_that_do_not_fit_and_a_small_workspace(library: NativeLibrary) -> None:
    x, weight, bias = arrays(5, 32, 7)
    linear = NativeLinear(library, threads=1)
    workspace = workspace_of(linear, 5, 32)
    for wrong in ((x[:, 1:], weight, bias), (x, weight[1:], bias), (x[0], weight, bias)):
        with pytest.raises(ValueError, match="shapes of the linear layer don't fit"):
            linear.run(*wrong, workspace)
    with pytest.raises(ValueError, match="does not support"):
        linear.run(x, weight, bias, workspace[64:])
