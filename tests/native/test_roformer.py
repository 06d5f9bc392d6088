"""The native layers of Roformers agree with PyTorch in float64, in every width, and check what they receive."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_char_p, c_int64, c_void_p
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.models.roformer_files import BS, MEL, layers_by_definition, write_weights
from tests.native.compiled import compiler
from tests.native.networks import LIBRARIES, needs_library

from unbraid.models.roformer import RoformerSizes, layout
from unbraid.native.build import platform_supported
from unbraid.native.library import SMALL_MEMORY, NativeLibrary, bind
from unbraid.native.memory import aligned_bytes
from unbraid.native.roformer import BlockSizes, NativeBlock, is_supported
from unbraid.separation.runtimes.native_roformer import NativeLayers
from unbraid.separation.runtimes.stored_weights import StoredWeights

Floats = NDArray[np.float32]

# 48 numbers fill no panel of 32. Along time are 8 sequences of 101 tokens, and along bands the other way round, in
# groups of 30.
NETWORKS = {
    "mel": replace(MEL, width=48, heads=3, head_width=32, hidden=80),
    # Two attentions along time, of which the first one changes tokens in place.
    "bs": replace(BS, width=64, heads=2, head_width=64, hidden=144),
}
EVERY_NETWORK = pytest.mark.parametrize("sizes", NETWORKS.values(), ids=NETWORKS)

SMALL = BlockSizes(width=48, heads=3, head_width=32, hidden=80, norms=1, items=5, length=7)


def tokens_of(sizes: RoformerSizes, seed: int = 0) -> Floats:
    shape = (len(sizes.bands), sizes.frames, sizes.width)
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def layers_of(
    sizes: RoformerSizes, library: NativeLibrary, folder: Path, threads: int = 1, jobs: int = 1
) -> NativeLayers:
    weights = StoredWeights(write_weights(folder, sizes), layout(sizes))
    return NativeLayers(library, sizes, weights, threads=threads, jobs=jobs)


def transformed(layers: NativeLayers, tokens: Floats) -> Floats:
    result = tokens.copy()
    layers.apply(result)
    return result


def error_db(sizes: RoformerSizes, library: NativeLibrary, folder: Path) -> float:
    tokens = tokens_of(sizes)
    true = layers_by_definition(sizes, tokens)
    actual = transformed(layers_of(sizes, library, folder), tokens)
    return float(10 * np.log10(np.square(actual - true).sum() / np.square(true).sum()))


@needs_library
@EVERY_NETWORK
def test_agrees_with_pytorch(library: NativeLibrary, sizes: RoformerSizes, tmp_path: Path) -> None:
    assert error_db(sizes, library, tmp_path) < -66


@pytest.mark.skipif(
    not platform_supported() or compiler() is None, reason="there is no C compiler for the library"
)
@pytest.mark.parametrize("instructions", ["avx2", "avx512_vnni"])
@EVERY_NETWORK
def test_emulated_widths_agree_with_pytorch(
    emulated_library: Callable[[str], Path], instructions: str, sizes: RoformerSizes, tmp_path: Path
) -> None:
    library = bind(ctypes.CDLL(str(emulated_library(instructions))), instructions)
    assert error_db(sizes, library, tmp_path) < -66


@needs_library
def test_result_does_not_depend_on_threads_and_other_calls(library: NativeLibrary, tmp_path: Path) -> None:
    sizes = NETWORKS["mel"]
    inputs = [tokens_of(sizes, seed) for seed in range(3)]
    single = layers_of(sizes, library, tmp_path)
    expected = [transformed(single, tokens).tobytes() for tokens in inputs]
    threaded = layers_of(sizes, library, tmp_path, threads=3, jobs=2)
    assert transformed(threaded, inputs[0]).tobytes() == expected[0]
    with ThreadPoolExecutor(3) as pool:
        results = pool.map(lambda tokens: transformed(threaded, tokens), inputs)
        assert [result.tobytes() for result in results] == expected


def block_tensors(sizes: BlockSizes) -> dict[str, NDArray[Any]]:
    """Random weights with the names and shapes of roformer.h."""
    random = np.random.default_rng(0)
    inner = sizes.heads * sizes.head_width
    shapes: dict[str, tuple[int, ...]] = {
        "norm": (sizes.width,),
        "projection.weight": (3 * inner + sizes.heads, sizes.width),
        "projection.bias": (3 * inner + sizes.heads,),
        "output.weight": (sizes.width, inner),
        "hidden_norm": (sizes.width,),
        "expand.weight": (sizes.hidden, sizes.width),
        "expand.bias": (sizes.hidden,),
        "contract.weight": (sizes.width, sizes.hidden),
        "contract.bias": (sizes.width,),
        **{f"norm.{number}": (sizes.width,) for number in range(sizes.norms)},
    }
    return {
        name: (shape[-1] ** -0.5 * random.standard_normal(shape)).astype("<f2" if len(shape) > 1 else "<f4")
        for name, shape in shapes.items()
    }


def rotation_of(sizes: BlockSizes) -> Floats:
    return np.zeros((sizes.length, sizes.head_width), np.float32)


def small_block(library: NativeLibrary) -> NativeBlock:
    return NativeBlock(library, SMALL, block_tensors(SMALL), rotation_of(SMALL))


def changed(**values: int) -> BlockSizes:
    fields = {name: getattr(SMALL, name) for name, _ in BlockSizes._fields_}
    return BlockSizes(**{**fields, **values})


@needs_library
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_undefined_tokens_stay_in_their_sequence(library: NativeLibrary, value: float) -> None:
    tokens = np.random.default_rng(0).standard_normal((5, 7, 48), np.float32)
    tokens[2, 3, 4] = value
    block = small_block(library)
    block.run(tokens, None, workspace_of(block), 1, np.zeros(1, np.int32))
    assert not np.isfinite(tokens[2]).any()
    assert np.isfinite(np.delete(tokens, 2, axis=0)).all()


@needs_library
def test_silent_tokens_are_finite(library: NativeLibrary) -> None:
    tokens = np.zeros((5, 7, 48), np.float32)
    block = small_block(library)
    block.run(tokens, None, workspace_of(block), 1, np.zeros(1, np.int32))
    assert np.isfinite(tokens).all()


def workspace_of(block: NativeBlock) -> NDArray[np.uint8]:
    workspace = aligned_bytes(block.workspace_bytes(1))
    workspace[:] = 0xFF  # NaN
    return workspace


@needs_library
@pytest.mark.parametrize(
    "sizes",
    [
        changed(width=8),
        changed(width=528),
        changed(heads=0),
        changed(heads=65),
        changed(head_width=16),
        changed(head_width=96),
        changed(heads=64, head_width=64),  # an inner width of 4096
        changed(hidden=81),
        changed(hidden=4096),
        changed(norms=-1),
        changed(norms=3),
        changed(items=0),
        changed(length=0),
        changed(length=1 << 20),
    ],
    ids=lambda sizes: " ".join(str(getattr(sizes, name)) for name, _ in BlockSizes._fields_),
)
def test_rejects_unsupported_sizes(library: NativeLibrary, sizes: BlockSizes) -> None:
    tensors, rotation = block_tensors(SMALL), np.zeros((sizes.length, sizes.head_width), np.float32)
    with pytest.raises(ValueError, match="does not support a block of these sizes"):
        NativeBlock(library, sizes, tensors, rotation)


@needs_library
def test_rejects_missing_and_longer_tensors(library: NativeLibrary) -> None:
    tensors = block_tensors(SMALL)
    for name, tensor in tensors.items():
        others = {other: value for other, value in tensors.items() if other != name}
        for wrong in (others, {**others, name: np.concatenate([tensor, tensor[:1]])}):
            with pytest.raises(ValueError, match="tensors don't fit the sizes"):
                NativeBlock(library, SMALL, wrong, rotation_of(SMALL))
    with pytest.raises(ValueError, match="rotation doesn't fit"):
        NativeBlock(library, SMALL, tensors, rotation_of(SMALL)[1:])


@needs_library
def test_rejects_arrays_of_other_blocks(library: NativeLibrary) -> None:
    block = small_block(library)
    workspace, active = workspace_of(block), np.zeros(1, np.int32)
    tokens = np.zeros((5, 7, 48), np.float32)
    for wrong in (tokens[1:], tokens.astype(np.float64), np.asfortranarray(tokens)):
        with pytest.raises(ValueError, match="tokens of another shape"):
            block.run(wrong, None, workspace, 1, active)
    with pytest.raises(ValueError, match="tokens of another shape"):
        block.run(tokens, tokens.copy(), workspace, 1, active)
    for short, threads in ((workspace[:-64], 1), (workspace, 2)):
        with pytest.raises(ValueError, match="workspace belongs to another block"):
            block.run(tokens, None, short, threads, active)


@needs_library
def test_packing_checks_the_length_of_its_memory(library: NativeLibrary) -> None:
    tensors = block_tensors(SMALL)
    pack = library.file[f"roformer_pack_{library.instructions}"]
    names = (c_char_p * len(tensors))(*[name.encode() for name in tensors])
    pointers = (c_void_p * len(tensors))(*[tensor.ctypes.data for tensor in tensors.values()])
    lengths = (c_int64 * len(tensors))(*[tensor.size for tensor in tensors.values()])
    memory = np.empty(64, np.uint8)
    pack.argtypes = None
    small = ctypes.c_uint64(memory.size)
    result = pack(ctypes.byref(SMALL), len(tensors), names, pointers, lengths, memory.ctypes, small)
    assert result == SMALL_MEMORY


@needs_library
@pytest.mark.parametrize("width", [256, 384, 512])
def test_published_sizes_are_supported(library: NativeLibrary, width: int) -> None:
    """All Roformers of the catalogue have 8 heads of 64 numbers, and 60 or 62 bands."""
    for items, length in ((62, 1151), (1151, 62)):
        sizes = BlockSizes(width, 8, 64, 4 * width, 2, items, length)
        assert is_supported(library, sizes)


def test_libraries_have_every_width() -> None:
    """The tests above run with each instruction set of this processor."""
    assert all(hasattr(one.file, f"roformer_run_{one.instructions}") for one in LIBRARIES)
