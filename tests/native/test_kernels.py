"""Each kernel agrees with NumPy in double precision: with the processor's intrinsics, and with emulated ones.

The emulation runs the source of every width on any processor.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_bool, c_double, c_float, c_int, c_uint16
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.native.compiled import KERNELS, compiler, load_kernels

from unbraid.native.build import platform_supported, processor_sets

pytestmark = pytest.mark.skipif(
    not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
)

# AVX-VNNI differs from AVX2 in one instruction, which the emulation replaces.
VARIANTS = [(name, True) for name in ("avx2", "avx512_vnni")] + [(name, False) for name in processor_sets()]
STORE, ADD, GELU, GATE, ADD_GATED = range(5)

Kernel = Callable[..., Any]


@pytest.fixture(
    scope="module",
    params=VARIANTS,
    ids=[f"{name}-{'emulated' if fake else 'real'}" for name, fake in VARIANTS],
)
def kernel(
    request: pytest.FixtureRequest,
    emulated_library: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Kernel:
    """Call a function of kernels.c with arrays and numbers."""
    name, _ = request.param
    library = load_kernels(
        request.param, emulated_library, tmp_path_factory.mktemp("kernels"), KERNELS, "kernels.c"
    )

    def call(function: str, *arguments: Any, result: Any = None) -> Any:
        function_ = library[f"test_{function}_{name}"]
        function_.restype = result
        return function_(*[one.ctypes if isinstance(one, np.ndarray) else one for one in arguments])

    return call


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def error_db(actual: np.ndarray, true: np.ndarray) -> float:
    return float(10 * np.log10(np.square(actual - true).sum() / np.square(true).sum() + 1e-30))


@pytest.mark.parametrize(
    ("name", "true", "x", "relative"),
    [
        ("power_of_two", np.exp2, np.linspace(-125, 126, 4096), 4e-7),
        ("coarse_power_of_two", np.exp2, np.linspace(-125, 126, 4096), 4e-6),
        ("reciprocal", lambda x: 1 / x, np.concatenate([-np.geomspace(1e-30, 1e30, 2048)] * 2), 4e-7),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), np.linspace(-60, 60, 4096), 6e-6),
    ],
)
def test_functions_of_vectors(
    kernel: Kernel, name: str, true: Callable[..., Any], x: np.ndarray, relative: float
) -> None:
    x = x.astype(np.float32)
    out = np.empty_like(x)
    kernel(name, x, len(x), out)
    assert np.abs(out / true(x.astype(np.float64)) - 1).max() < relative


def test_gelu(kernel: Kernel) -> None:
    x = np.linspace(-20, 20, 4096, dtype=np.float32)
    out = np.empty_like(x)
    kernel("gelu", x, len(x), out)
    assert np.abs(out - [value * (1 + erf(value / 2**0.5)) / 2 for value in x.tolist()]).max() < 2e-6


def test_functions_of_huge_and_undefined_values(kernel: Kernel) -> None:
    x = np.array([-1e30, -np.inf, np.nan, -200] * 4, np.float32)
    out = np.empty_like(x)
    kernel("power_of_two", x, len(x), out)
    assert np.allclose(out, [0, 0, np.nan, 0] * 4, atol=1e-30, equal_nan=True)
    x = np.array([-1e30, np.inf, np.nan, 1e30] * 4, np.float32)
    kernel("sigmoid", x, len(x), out)
    assert np.allclose(out, [0, 1, np.nan, 1] * 4, atol=1e-30, equal_nan=True)


def test_functions_of_lanes(kernel: Kernel) -> None:
    lanes = kernel("lanes", result=c_int)
    x, y = floats(lanes), floats(lanes, seed=1)
    for count in range(1, lanes + 1):
        x[0], y[-1] = np.nan, np.nan
        kernel("lane_functions", x, y, count, out := np.full(7 * lanes, 9, np.float32))
        first = np.arange(lanes) < count
        kept = np.where(first, x, 0)
        expected = [
            kept,
            np.where(first, x, 9),
            kept,
            np.where(x > y, x, y),
            np.where(x > 0, x, y),
            np.where(np.isnan(x), x, y),
        ]
        assert np.array_equal(out[: 6 * lanes], np.concatenate(expected), equal_nan=True)
    x[0] = 1
    kernel("lane_functions", x, y, lanes, out)
    assert out[6 * lanes : 6 * lanes + 3] == pytest.approx([x.sum(), x.max(), 1], rel=1e-5)


def test_integers_round_and_saturate(kernel: Kernel) -> None:
    values = [0.5, 1.5, -2.5, 32766.6, 40000.0, -40000.0, 2e9, -2e9]
    x = np.array(values * 2, np.float32)
    out = np.full(kernel("lanes", result=c_int), 7, np.int16)
    kernel("store_int16", x, out)
    assert out[:8].tolist() == [0, 2, -2, 32767, 32767, -32768, 32767, -32768]


def test_converts_every_half(kernel: Kernel) -> None:
    halves = np.arange(0, 2**16, 7, dtype=np.uint16)
    actual = [kernel("half_to_float", c_uint16(half), result=c_float) for half in halves.tolist()]
    assert np.array_equal(actual, halves.view(np.float16).astype(np.float32), equal_nan=True)


@pytest.mark.parametrize(("length", "block"), [(512, 128), (48, 32), (144, 32), (1152, 128)])
def test_quantised_rows_are_as_large_as_sums_allow(kernel: Kernel, length: int, block: int) -> None:
    x = floats(5, length) * np.array([[1], [1e-10], [1e10], [0], [1]], np.float32)
    x[4] = 0
    x[4, 3] = 5  # one value: as large as int16 allows
    out, gains = np.empty((5, length), np.int16), np.empty(5, np.float32)
    kernel("quantise_rows", x, 5, length, block, out, gains)
    assert (np.abs(out * gains[:, None].astype(np.float64) - x) <= 0.501 * gains[:, None]).all()
    squares = np.cumsum(np.pad(np.square(out, dtype=np.float64), ((0, 0), (1, 0))), axis=1)
    blocks = squares[:, min(block, length) :] - squares[:, : length + 1 - min(block, length)]
    # Values that were rounded up can exceed the norm slightly.
    assert np.sqrt(blocks.max()) < 56000 * 1.001
    assert np.abs(out[:3]).max(axis=1).min() > 2000
    assert not out[3].any() and out[4, 3] == 32767


@pytest.mark.parametrize("use_floats", [False, True])
@pytest.mark.parametrize(("parts", "block", "depth"), [(1, 128, 512), (3, 32, 144), (1, 32, 48)])
@pytest.mark.parametrize(
    ("epilogue", "vectors"),
    # Gated matrices have panels of two vectors.
    [(STORE, 1), (ADD, 1), (GELU, 1), (STORE, 2), (ADD, 2), (GELU, 2), (GATE, 2), (ADD_GATED, 2)],
)
def test_products(
    kernel: Kernel, use_floats: bool, vectors: int, parts: int, block: int, depth: int, epilogue: int
) -> None:
    gated = epilogue in (GATE, ADD_GATED)
    # 6 and 24 outputs: panels are not full. 31 rows: the last tiles have fewer rows.
    for outputs, count in ((96, 31),) if gated else ((6, 13), (24, 31)):
        weights = (floats(outputs, depth, seed=1) / depth**0.5).astype(np.float16)
        bias, x = floats(outputs).astype(np.float16), floats(count, depth)
        before = floats(count, outputs // 2 if gated else outputs)
        out = before.copy()
        kernel(
            "multiply",
            *(weights, bias, outputs, depth, vectors, c_bool(use_floats), parts, block, c_bool(gated)),
            *(x, count, epilogue, out),
        )
        y = x.astype(np.float64) @ weights.astype(np.float64).T + bias
        if epilogue == GELU:
            y = np.array([value * (1 + erf(value / 2**0.5)) / 2 for value in y.flat]).reshape(y.shape)
        if gated:
            y = y[:, : outputs // 2] / (1 + np.exp(-y[:, outputs // 2 :]))
        if epilogue in (ADD, ADD_GATED):
            y += before
        assert error_db(out, y) < (-115 if use_floats else -74)


# One block of keys, several of them, and numbers of keys and queries that fill no block.
@pytest.mark.parametrize(("count", "key_count", "width"), [(50, 33, 384), (1, 1, 128), (49, 800, 512)])
@pytest.mark.parametrize("sharpness", [1, 8])
def test_attention(kernel: Kernel, count: int, key_count: int, width: int, sharpness: float) -> None:
    queries, keys_values = sharpness * floats(count, width), floats(key_count, 2 * width, seed=1)
    out = np.full((count, width), np.nan, np.float32)
    kernel("attend", queries, count, keys_values, key_count, width, out)
    q, k, v = (
        part.astype(np.float64).reshape(len(part), 8, -1).transpose(1, 0, 2)
        for part in (queries, keys_values[:, :width], keys_values[:, width:])
    )
    scores = q @ k.transpose(0, 2, 1) / (width / 8) ** 0.5
    softmax = np.exp(scores - scores.max(-1, keepdims=True))
    true = (softmax / softmax.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(count, width)
    assert error_db(out, true) < -66


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["query", "key", "value"])
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_attention_propagates_nan_and_infinity(kernel: Kernel, value: float, where: str) -> None:
    queries, keys_values = floats(50, 128), floats(40, 256, seed=1)
    {"query": queries, "key": keys_values, "value": keys_values[:, 128:]}[where][7, 0] = value
    out = np.zeros((50, 128), np.float32)
    kernel("attend", queries, 50, keys_values, 40, 128, out)
    affected = out[7, :16] if where == "query" else out[:, 0]
    assert not np.isfinite(affected).any()
    assert np.isfinite(out[:, 16:]).all()


def test_waiting_for_a_worker_uses_no_cpu(kernel: Kernel) -> None:
    """With other programs, a worker may lose its core. The calling thread must not use up the process's share."""
    assert (
        kernel("wait_for_a_stalled_worker", result=c_double) < 0.03
    )  # CPU seconds; the worker stalls for 0.3 s
