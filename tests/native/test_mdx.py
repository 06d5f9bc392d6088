"""The native MDX-Net agrees with PyTorch in double precision, in every width, and checks what it receives."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_int64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.native.compiled import compiler
from tests.native.networks import LIBRARIES, needs_library

from unbraid.models.mdx_graph import check_mdx_graph
from unbraid.models.mdx_layers import MdxLayers, layers_of, sizes_of
from unbraid.models.readers.onnx import read_graph
from unbraid.native.build import platform_supported
from unbraid.native.library import SMALL_MEMORY, NativeLibrary, bind
from unbraid.native.mdx import STAGES, MdxSizes, NativeMdx
from unbraid.networks.mdx import MdxNet, Sizes, export, seeded

Floats = NDArray[np.float32]

ALL_BINS = 200
# Channels in panels of one to three vectors. The narrow layers aren't multiples of a tile's rows.
NETWORKS = (
    Sizes(bins=192, frames=16, growth=16, levels=2),
    Sizes(bins=192, frames=16, growth=48, levels=1, convolutions=2),
    Sizes(bins=128, frames=24, growth=32, levels=1, convolutions=1, bottleneck=4),
)


@cache
def network(sizes: Sizes) -> MdxNet:
    return seeded(sizes)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sizes], MdxLayers]:
    """The layers of a network, from its ONNX file."""
    folder = tmp_path_factory.mktemp("mdx")

    @cache
    def read(sizes: Sizes) -> MdxLayers:
        path = folder / f"{sizes.growth}.onnx"
        export(network(sizes), sizes, path)
        found = layers_of(check_mdx_graph(read_graph(path)), ALL_BINS)
        assert found is not None
        return found

    return read


def native(layers: MdxLayers, library: NativeLibrary, threads: int = 1) -> NativeMdx:
    return NativeMdx(library, MdxSizes(**sizes_of(layers)), layers.tensors, threads=threads)


def spectrum_of(sizes: Sizes, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    return (10 * random.standard_normal((2, ALL_BINS, sizes.frames, 2))).astype(np.float32)


def run(network: NativeMdx, spectrum: Floats) -> Floats:
    workspace = network.workspace()
    network.run(spectrum, workspace)
    return workspace.spectra


def error_db(sizes: Sizes, layers: MdxLayers, library: NativeLibrary) -> float:
    spectrum = spectrum_of(sizes)
    parts = np.moveaxis(spectrum[:, : sizes.bins].astype(np.float64), 3, 1)
    parts[:, :, :3] = 0
    with torch.no_grad():
        true = seeded(sizes).double()(torch.from_numpy(parts.reshape(1, 4, sizes.bins, sizes.frames)))
    actual = run(native(layers, library), spectrum)
    assert not actual[:, sizes.bins :].any()
    parts = np.moveaxis(actual[:, : sizes.bins], 3, 1).reshape(true.shape)
    return float(10 * np.log10(np.square(parts - true.numpy()).sum() / np.square(true.numpy()).sum()))


@needs_library
@pytest.mark.parametrize("sizes", NETWORKS, ids=lambda sizes: sizes.growth)
def test_agrees_with_pytorch(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers], sizes: Sizes
) -> None:
    assert error_db(sizes, layers(sizes), library) < -100


@pytest.mark.skipif(
    not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
)
@pytest.mark.parametrize("instructions", ["avx2", "avx512_vnni"])
def test_emulated_widths_agree_with_pytorch(
    emulated_library: Callable[[str], Path], layers: Callable[[Sizes], MdxLayers], instructions: str
) -> None:
    library = bind(ctypes.CDLL(str(emulated_library(instructions))), instructions)
    assert error_db(NETWORKS[0], layers(NETWORKS[0]), library) < -100


@needs_library
def test_result_does_not_depend_on_threads_and_other_calls(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers]
) -> None:
    sizes = NETWORKS[0]
    spectra = [spectrum_of(sizes, seed) for seed in range(3)]
    single = native(layers(sizes), library)
    expected = [run(single, spectrum).tobytes() for spectrum in spectra]
    threaded = native(layers(sizes), library, threads=3)
    assert run(threaded, spectra[0]).tobytes() == expected[0]
    with ThreadPoolExecutor(3) as pool:
        assert [one.tobytes() for one in pool.map(lambda s: run(threaded, s), spectra)] == expected


@needs_library
def test_reused_workspace_gives_the_same(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers]
) -> None:
    sizes = NETWORKS[0]
    network = native(layers(sizes), library)
    workspace = network.workspace()
    workspace.memory[:] = 0xFF  # NaN
    network.run(spectrum_of(sizes), workspace)
    first = workspace.spectra.tobytes()
    network.run(spectrum_of(sizes, 1), workspace)
    network.run(spectrum_of(sizes), workspace)
    assert workspace.spectra.tobytes() == first


@needs_library
@pytest.mark.parametrize(
    "changed",
    [
        {"bins": 190},
        {"frames": 12},
        {"bins": 1 << 20},
        {"frames": 0},
        {"all_bins": 191},
        {"all_bins": 1 << 30},
        {"first_bin": -1},
        {"first_bin": 193},
        {"growth": 8},
        {"growth": 24},
        {"growth": 1 << 20},
        {"levels": 0},
        {"levels": 30},
        {"convolutions": 0},
        {"convolutions": 9},
        {"narrow": 0},
        {"narrow": 193},
        {"narrow": 22},
    ],
    ids=str,
)
def test_rejects_unsupported_sizes(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers], changed: dict[str, int]
) -> None:
    found = layers(NETWORKS[0])
    with pytest.raises(ValueError, match="does not support a network of these sizes"):
        NativeMdx(library, MdxSizes(**{**sizes_of(found), **changed}), found.tensors)


@needs_library
def test_rejects_missing_longer_and_further_tensors(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers]
) -> None:
    found = layers(NETWORKS[0])
    sizes, tensors = MdxSizes(**sizes_of(found)), found.tensors
    longer = [np.append(tensors[0], 0), *tensors[1:]]
    for wrong in (tensors[:-1], [], [*tensors, tensors[-1]], longer):
        with pytest.raises(ValueError, match="don't fit the sizes"):
            NativeMdx(library, sizes, wrong)


@needs_library
def test_rejects_arrays_of_other_networks(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers]
) -> None:
    small, large = (native(layers(sizes), library) for sizes in NETWORKS[:2])
    workspace = small.workspace()
    with pytest.raises(ValueError, match="segments of another length"):
        small.run(spectrum_of(NETWORKS[0])[:, 1:], workspace)
    with pytest.raises(ValueError, match="workspace belongs to another network"):
        large.run(spectrum_of(NETWORKS[1]), workspace)  # too small
    with pytest.raises(ValueError, match="workspace belongs to another network"):
        small.run(spectrum_of(NETWORKS[0]), native(layers(NETWORKS[2]), library).workspace())
    with pytest.raises(ValueError, match="5 float64 values"):
        small.run(spectrum_of(NETWORKS[0]), workspace, np.zeros(4))


@needs_library
def test_measures_the_time_of_each_stage(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers]
) -> None:
    network, seconds = native(layers(NETWORKS[0]), library), np.zeros(len(STAGES))
    network.run(spectrum_of(NETWORKS[0]), network.workspace(), seconds)
    assert (seconds > 0).all()


@needs_library
def test_packing_checks_the_length_of_its_memory(
    library: NativeLibrary, layers: Callable[[Sizes], MdxLayers]
) -> None:
    found = layers(NETWORKS[0])
    pack = library.file[f"mdx_pack_{library.instructions}"]
    pointers = (c_void_p * len(found.tensors))(*[tensor.ctypes.data for tensor in found.tensors])
    lengths = (c_int64 * len(found.tensors))(*[tensor.size for tensor in found.tensors])
    memory = np.empty(64, np.uint8)
    pack.argtypes = None
    sizes = MdxSizes(**sizes_of(found))
    count = len(found.tensors)
    result = pack(ctypes.byref(sizes), count, pointers, lengths, memory.ctypes, ctypes.c_uint64(memory.size))
    assert result == SMALL_MEMORY


def test_libraries_have_every_width() -> None:
    """The tests above run with each instruction set of this processor."""
    assert all(hasattr(one.file, f"mdx_run_{one.instructions}") for one in LIBRARIES)
