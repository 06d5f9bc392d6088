"""Layers and masks of a band-split transformer in the native library, on processors that it supports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.models.roformer import RoformerSizes, block_prefix, norm_names, rotation_name
from unbraid.native.library import NativeLibrary, native_library
from unbraid.native.linear import NativeLinear
from unbraid.native.memory import aligned_bytes
from unbraid.native.roformer import BlockSizes, NativeBlock, is_supported
from unbraid.separation.runtimes.idle import IdleItems
from unbraid.separation.runtimes.stored_weights import StoredWeights

# Names of roformer.h, and those of the file after the prefix of a block. The projection has several.
_TENSORS = {
    "norm": "0.norm.gamma",
    "output.weight": "0.to_out.0.weight",
    "hidden_norm": "1.net.0.gamma",
    "expand.weight": "1.net.1.weight",
    "expand.bias": "1.net.1.bias",
    "contract.weight": "1.net.4.weight",
    "contract.bias": "1.net.4.bias",
}


def library_for(sizes: RoformerSizes) -> NativeLibrary | None:
    """Return the native library if it can compute a network on this machine; otherwise None."""
    library = native_library()
    if library is None or not all(is_supported(library, block_sizes(sizes, axis, 2)) for axis in range(2)):
        return None
    linear = NativeLinear(library, threads=1)
    return library if all(linear.workspace_bytes(sizes.frames, each) for each in mask_inputs(sizes)) else None


def mask_inputs(sizes: RoformerSizes) -> tuple[int, ...]:
    """Return the widths of the inputs of the linear layers that estimate masks."""
    return (sizes.width, *sizes.mask_widths)


def block_sizes(sizes: RoformerSizes, axis: int, norms: int) -> BlockSizes:
    """Return the sizes of an attention along an axis (0: time, 1: bands) and its hidden layer."""
    lengths = (sizes.frames, len(sizes.bands))
    return BlockSizes(
        width=sizes.width,
        heads=sizes.heads,
        head_width=sizes.head_width,
        hidden=sizes.hidden,
        norms=norms,
        items=lengths[1 - axis],
        length=lengths[axis],
    )


class NativeLayers:
    """All layers of a network. Thread-safe. Concurrent calls share the `threads`.

    The packed weights are as large as those in the file: 47 MB for Kim's network, 0.15 GB for that of viperx.
    """

    def __init__(
        self,
        library: NativeLibrary,
        sizes: RoformerSizes,
        weights: StoredWeights,
        *,
        threads: int,
        jobs: int,
    ) -> None:
        """Pack the weights, and allocate memory for `jobs` calls. Raises MemoryError."""
        self._sizes = sizes
        self._threads = threads
        self._active_threads = np.zeros(1, np.int32)
        self._layers = [
            [
                [
                    _load_block(library, sizes, weights, layer, axis, block)
                    for block in range(sizes.depths[axis])
                ]
                for axis in range(2)
            ]
            for layer in range(sizes.layers)
        ]
        needed = max(block.workspace_bytes(threads) for axis in self._layers[0] for block in axis)

        self._workspaces = IdleItems(
            lambda: aligned_bytes(needed), [aligned_bytes(needed) for _ in range(jobs)]
        )

    def apply(self, tokens: Floats) -> None:
        """Replace tokens (bands, frames, width) by the results of all layers."""
        by_frame: Floats = np.empty((tokens.shape[1], tokens.shape[0], tokens.shape[2]), np.float32)
        with self._workspaces.borrow() as workspace:
            for along_time, along_bands in self._layers:
                self._transform(along_time, tokens, by_frame, workspace)
                self._transform(along_bands, by_frame, tokens, workspace)

    def _transform(
        self, blocks: list[NativeBlock], tokens: Floats, result: Floats, workspace: NDArray[np.uint8]
    ) -> None:
        """Transform tokens (items, n, width) along n, and write them to `result` (n, items, width)."""
        for number, block in enumerate(blocks, 1):
            out = result if number == len(blocks) else None
            block.run(tokens, out, workspace, self._threads, self._active_threads)


class NativeLinearLayer:
    """The linear layers that estimate masks. Thread-safe. Concurrent calls share the `threads`."""

    def __init__(self, library: NativeLibrary, sizes: RoformerSizes, *, threads: int, jobs: int) -> None:
        """Allocate memory for `jobs` calls. Raises MemoryError."""
        self._linear = NativeLinear(library, threads)
        needed = self._linear.workspace_bytes(sizes.frames, max(mask_inputs(sizes)))
        self._workspaces = IdleItems(
            lambda: aligned_bytes(needed), [aligned_bytes(needed) for _ in range(jobs)]
        )

    def apply(self, x: Floats, weight: NDArray[np.float16], bias: Floats, *, use_tanh: bool) -> Floats:
        """Return x (rows, inputs) times weight (outputs, inputs) plus bias, or its hyperbolic tangent."""
        with self._workspaces.borrow() as workspace:
            return self._linear.run(x, weight, bias, workspace, use_tanh=use_tanh)


def _load_block(
    library: NativeLibrary, sizes: RoformerSizes, weights: StoredWeights, layer: int, axis: int, block: int
) -> NativeBlock:
    norms = norm_names(sizes, layer, axis) if block == sizes.depths[axis] - 1 else []
    prefix = block_prefix(layer, axis, block)
    tensors: dict[str, NDArray[Any]] = {
        name: weights.read(f"{prefix}.{stored}") for name, stored in _TENSORS.items()
    }
    tensors |= {f"norm.{number}": weights.read(name) for number, name in enumerate(norms)}
    tensors["projection.weight"] = np.concatenate(
        [
            weights.read(f"{prefix}.0.to_qkv.weight")[sorted_rows(sizes)],
            weights.read(f"{prefix}.0.to_gates.weight"),
        ]
    )
    gates = weights.read(f"{prefix}.0.to_gates.bias")
    tensors["projection.bias"] = np.pad(gates, (3 * sizes.heads * sizes.head_width, 0))
    lengths = (sizes.frames, len(sizes.bands))
    angles = np.arange(lengths[axis], dtype=np.float32)[:, None] * weights.read(rotation_name(axis))
    rotation = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return NativeBlock(library, block_sizes(sizes, axis, len(norms)), tensors, rotation)


def sorted_rows(sizes: RoformerSizes) -> NDArray[np.int64]:
    """Return the rows of `to_qkv` so that the two values that a rotation mixes are in different halves of a head."""
    rows = np.arange(3 * sizes.heads * sizes.head_width).reshape(3, sizes.heads, -1, 2)
    rows[:2] = rows[:2].transpose(0, 1, 3, 2).reshape(rows[:2].shape)
    return rows.reshape(-1)
