"""Each layer of MDX-Net agrees with PyTorch in double precision: with the processor's intrinsics, and emulated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.native.compiled import MDX_KERNELS, compiler, load_kernels
from torch.nn.functional import conv2d, conv_transpose2d

from unbraid.native.build import platform_supported, processor_sets

pytestmark = pytest.mark.skipif(
    not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
)

# AVX-VNNI has the same instructions for floats as AVX2.
VARIANTS = [(name, True) for name in ("avx2", "avx512_vnni")]
VARIANTS += [(name, False) for name in processor_sets() if name != "avx_vnni"]

Array = np.ndarray
Kernel = Callable[..., None]

# Channels in panels of one, two and three vectors, with 8 and with 16 lanes.
CHANNELS = (16, 32, 48, 80)


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
    """Call a function of mdx_kernels.c with arrays and numbers."""
    name, _ = request.param
    library = load_kernels(
        request.param, emulated_library, tmp_path_factory.mktemp("kernels"), MDX_KERNELS, "mdx_kernels.c"
    )

    def call(function: str, *arguments: Any) -> None:
        function_ = library[f"test_{function}_{name}"]
        function_.restype = None
        function_(*[one.ctypes if isinstance(one, np.ndarray) else one for one in arguments])

    return call


def floats(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def planes(x: Array) -> torch.Tensor:
    """(frames, bins, channels) -> (1, channels, frames, bins) in double precision."""
    return torch.from_numpy(x).double().permute(2, 0, 1)[None]


def last(x: torch.Tensor) -> Array:
    """(1, channels, frames, bins) -> (frames, bins, channels)."""
    return np.asarray(x[0].permute(1, 2, 0).numpy())


def doubles(x: Array) -> torch.Tensor:
    return torch.from_numpy(x).double()


def error_db(actual: Array, true: Array) -> float:
    return float(10 * np.log10(np.square(actual - true).sum() / np.square(true).sum() + 1e-30))


@pytest.mark.parametrize("channels", CHANNELS)
def test_convolution(kernel: Kernel, channels: int) -> None:
    # 35 tiles in a row: more than are transformed together, and rows of products that no tile covers.
    x = np.maximum(floats(12, 140, channels), 0)
    weights, offsets = floats(channels, channels, 3, 3, seed=1), floats(channels, seed=2)
    out = np.full_like(x, np.nan)
    kernel("convolve", weights, offsets, channels, channels, x, 12, 140, out)
    true = last(conv2d(planes(x), doubles(weights), doubles(offsets), padding=1).relu())
    assert error_db(out, true) < -115


def test_convolution_of_a_single_tile_and_different_channels(kernel: Kernel) -> None:
    x, weights, offsets = floats(4, 4, 32), floats(48, 32, 3, 3, seed=1), floats(48, seed=2)
    out = np.full((4, 4, 48), np.nan, np.float32)
    kernel("convolve", weights, offsets, 32, 48, x, 4, 4, out)
    assert error_db(out, last(conv2d(planes(x), doubles(weights), doubles(offsets), padding=1).relu())) < -115


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_convolution_propagates_nan_and_infinity_to_its_tile_only(kernel: Kernel, value: float) -> None:
    x, weights = floats(12, 12, 16), floats(16, 16, 3, 3, seed=1)
    x[5, 5, 3] = value
    out = np.zeros_like(x)
    kernel("convolve", weights, np.zeros(16, np.float32), 16, 16, x, 12, 12, out)
    assert not np.isfinite(out[4:7, 4:7]).all(axis=-1).any()
    assert np.isfinite(out[8:]).all() and np.isfinite(out[:, 8:]).all()


@pytest.mark.parametrize("channels", CHANNELS)
def test_downsampling(kernel: Kernel, channels: int) -> None:
    outputs = channels + 16
    x, weights, offsets = floats(4, 78, channels), floats(outputs, channels, 2, 2, seed=1), floats(outputs)
    out = np.full((2, 39, outputs), np.nan, np.float32)
    kernel("resample", False, weights, offsets, channels, outputs, x, 4, 78, out)
    assert error_db(out, last(conv2d(planes(x), doubles(weights), doubles(offsets), 2).relu())) < -125


@pytest.mark.parametrize("channels", CHANNELS)
def test_upsampling_multiplies_by_the_layer(kernel: Kernel, channels: int) -> None:
    inputs = channels + 16
    x, weights, offsets = floats(2, 39, inputs), floats(inputs, channels, 2, 2, seed=1), floats(channels)
    out = floats(4, 78, channels, seed=3)
    true = last(conv_transpose2d(planes(x), doubles(weights), doubles(offsets), 2).relu()) * out
    kernel("resample", True, weights, offsets, inputs, channels, x, 2, 39, out)
    assert error_db(out, true) < -125


@pytest.mark.parametrize("channels", CHANNELS)
def test_products_over_bins_are_added(kernel: Kernel, channels: int) -> None:
    bins, narrow = 100, 12  # not multiples of a tile's rows
    x, gains, offsets = floats(3, bins, channels), floats(2, channels, seed=1), floats(2, channels, seed=2)
    narrowing, widening = floats(bins, narrow, seed=3), floats(narrow, bins, seed=4)
    true = x.astype(np.float64)
    middle = np.maximum(np.einsum("fbc,bn->fnc", true, narrowing) * gains[0] + offsets[0], 0)
    true = true + np.maximum(np.einsum("fnc,nb->fbc", middle, widening) * gains[1] + offsets[1], 0)
    kernel("bin_layers", narrowing, widening, gains, offsets, bins, narrow, channels, x, 3)
    assert error_db(x, true) < -125


@pytest.mark.parametrize("channels", CHANNELS)
def test_spectrum_is_read_without_its_lowest_and_highest_bins(kernel: Kernel, channels: int) -> None:
    all_bins, frames, bins = 45, 5, 36
    spectrum, weights, offsets = floats(2, all_bins, frames, 2), floats(4, channels, seed=1), floats(channels)
    out = np.full((frames, bins, channels), np.nan, np.float32)
    kernel("spectrum", False, weights, offsets, channels, all_bins, frames, 3, bins, spectrum, out)
    parts = spectrum[:, :bins].astype(np.float64).transpose(2, 1, 0, 3).reshape(frames, bins, 4)
    parts[:, :3] = 0
    assert error_db(out, np.maximum(parts @ weights + offsets, 0)) < -130


@pytest.mark.parametrize("channels", CHANNELS)
def test_spectrum_is_written_with_zeros_above(kernel: Kernel, channels: int) -> None:
    all_bins, frames, bins = 45, 5, 36
    x, weights, offsets = floats(frames, bins, channels), floats(4, channels, seed=1), floats(4)
    out = np.full((2, all_bins, frames, 2), np.nan, np.float32)
    kernel("spectrum", True, weights, offsets, channels, all_bins, frames, 3, bins, x, out)
    true = (x.astype(np.float64) @ weights.T + offsets).reshape(frames, bins, 2, 2).transpose(2, 1, 0, 3)
    assert error_db(out[:, :bins], true) < -125
    assert not out[:, bins:].any()
