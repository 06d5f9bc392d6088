"""The layers of a band-split transformer, one after the other, for a part of the tokens at a time.

A transformer along time computes each band independently of the others, and one along bands each frame. So a graph for
a few of them does, with the weights of a layer as its inputs. It is compiled once for each axis, in 0.1 s.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.models.roformer import (
    TOKENS,
    RoformerSizes,
    block_prefix,
    block_shapes,
    norm_names,
    rotation_name,
)
from unbraid.models.roformer_graph import build_block
from unbraid.separation.runtimes.openvino import InferRequests, compile_network, prepare_network
from unbraid.separation.runtimes.stored_weights import StoredWeights

# Tokens that are computed together. With 512 numbers each, their intermediate results take 0.4 GB for each axis.
TOKENS_AT_ONCE = 17_000
# Time for packing the weights, once for each part of the tokens, as a share of the time for all tokens: eight parts
# instead of four took 3 % more time.
PACKING = 0.0075


class Layers:
    """All layers of a network. Thread-safe."""

    def __init__(self, sizes: RoformerSizes, weights: StoredWeights, *, threads: int) -> None:
        self._sizes = sizes
        self._weights = weights
        self._threads = threads
        self._items = (
            group_size(len(sizes.bands), sizes.frames),
            group_size(sizes.frames, len(sizes.bands)),
        )
        self._block = cache(self._compile)
        for layer in range(sizes.layers):
            for axis, depth in enumerate(sizes.depths):
                for block in range(depth):
                    self._block(axis, len(self._norms(layer, axis, block)))

    def apply(self, tokens: Floats) -> None:
        """Replace tokens (bands, frames, width) by the results of all layers."""
        by_frame: Floats = np.empty((tokens.shape[1], tokens.shape[0], tokens.shape[2]), np.float32)
        for layer in range(self._sizes.layers):
            self._transform(layer, 0, tokens, by_frame)
            self._transform(layer, 1, by_frame, tokens)

    def _transform(self, layer: int, axis: int, tokens: Floats, result: Floats) -> None:
        """Transform tokens (items, n, width) along n, and write them to `result` (n, items, width)."""
        blocks = [
            (self._block(axis, len(self._norms(layer, axis, block))), self._read(layer, axis, block))
            for block in range(self._sizes.depths[axis])
        ]
        count, size = len(tokens), self._items[axis]
        for first in range(0, count, size):
            # The last items may be computed twice: the graph takes exactly `size`.
            start = min(first, count - size)
            x = tokens[start : start + size]
            for requests, weights in blocks[:-1]:
                with requests.run({TOKENS: x, **weights}) as output:
                    x = output.copy()
            requests, weights = blocks[-1]
            with requests.run({TOKENS: x, **weights}) as output:
                result[:, start : start + size] = output.transpose(1, 0, 2)

    def _read(self, layer: int, axis: int, block: int) -> dict[str, np.ndarray]:
        """Return the weights of a block by the names of the graph's inputs."""
        prefix = block_prefix(layer, axis, block)
        weights = {name: self._weights.read(f"{prefix}.{name}") for name in block_shapes(self._sizes)}
        for number, name in enumerate(self._norms(layer, axis, block)):
            weights[f"norm.{number}.gamma"] = self._weights.read(name)
        return weights

    def _norms(self, layer: int, axis: int, block: int) -> list[str]:
        last = block == self._sizes.depths[axis] - 1
        return norm_names(self._sizes, layer, axis) if last else []

    def _compile(self, axis: int, norms: int) -> InferRequests:
        lengths = (self._sizes.frames, len(self._sizes.bands))
        positions = np.arange(lengths[axis], dtype=np.float32)[:, None]
        angles = positions * self._weights.read(rotation_name(axis))
        graph = build_block(self._sizes, self._items[axis], (np.cos(angles), np.sin(angles)), norms)
        return InferRequests(compile_network(prepare_network(graph, {}), threads=self._threads))


def group_size(count: int, length: int) -> int:
    """Return how many of `count` sequences of `length` tokens are computed together."""
    fewest = max(1, round(count * length / TOKENS_AT_ONCE))

    def cost(groups: int) -> float:
        computed = groups * -(-count // groups)  # some sequences twice
        return computed / count + PACKING * groups

    return -(-count // min(range(fewest, 2 * fewest + 1), key=cost))
