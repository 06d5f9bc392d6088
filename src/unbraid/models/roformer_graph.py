"""Build the ONNX graphs of a band-split transformer from its sizes.

The graph of a model folder turns a spectrum into tokens, one for each band and frame. `build_block` is the graph of an
attention and its hidden layer, which `unbraid.separation.runtimes.roformer_layers` runs for one layer after the other.
Weights are inputs of that graph. As constants, those of all layers would be in memory in float32, and their compiled
form on disk. `unbraid.networks.roformer` is the same network in PyTorch.

Rows of the matrices for queries and keys are sorted so that the two numbers that a rotation mixes are in different
halves of a head. Products of queries and keys stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unbraid.models.folder import SPECTRUM, WEIGHTS
from unbraid.models.graphs import TensorPlace
from unbraid.models.onnx_writer import OnnxGraph
from unbraid.models.roformer import (
    BAND_SPLIT,
    CHANNELS,
    NUMBERS,
    TOKENS,
    RoformerSizes,
    block_shapes,
)

# The published norm divides by the length of a vector, and by 1e-12 if it is shorter.
SHORTEST = 1e-12

Rotation = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Cosines and sines of the angles of all positions, (n, head_width / 2)."""

RESULT = "result"
"""Output of the graph of a block."""


def build_graph(sizes: RoformerSizes, tensors: Sequence[TensorPlace]) -> bytes:
    """Return the content of the graph's file. `tensors` are the places of its weights."""
    graph = OnnxGraph(WEIGHTS)
    for place in tensors:
        if place.name.startswith(BAND_SPLIT):
            graph.weight(place.name, place.shape, place.offset, place.length, half=place.float16)
    spectrum = graph.input(SPECTRUM, (1, CHANNELS, sizes.bins, sizes.frames, 2))
    frames = graph.add("Transpose", spectrum, perm=[0, 3, 2, 1, 4])
    flat = _reshape(graph, frames, [sizes.frames, sizes.bins * NUMBERS])
    tokens = []
    for band, (start, stop) in enumerate(sizes.bands):
        prefix = f"{BAND_SPLIT}to_features.{band}"
        columns = [graph.constant([number]) for number in (start * NUMBERS, stop * NUMBERS, 1)]
        numbers = graph.add("Slice", flat, *columns)
        normalised = _norm(graph, numbers, f"{prefix}.0.gamma", (stop - start) * NUMBERS)
        token = _linear(graph, normalised, f"{prefix}.1.weight", f"{prefix}.1.bias")
        tokens.append(_reshape(graph, token, [1, sizes.frames, sizes.width]))
    shape = (len(sizes.bands), sizes.frames, sizes.width)
    graph.output(TOKENS, graph.add("Concat", *tokens, axis=0), shape)
    return graph.content()


def build_block(sizes: RoformerSizes, items: int, rotation: Rotation, norms: int) -> bytes:
    """Return the graph of an attention and its hidden layer, for `items` sequences of tokens at a time.

    It turns TOKENS (items, n, width) into RESULT, in the same shape. Its other inputs are the weights, in float16 and
    float32 as stored, with the names of `block_shapes`. `norms`: the number of norms of the result.
    """
    return _Block(sizes, items, rotation, norms).build()


class _Block:
    def __init__(self, sizes: RoformerSizes, items: int, rotation: Rotation, norms: int) -> None:
        self._sizes = sizes
        self._shape = (items, len(rotation[0]))
        self._graph = OnnxGraph(WEIGHTS)
        self._rotation = tuple(self._graph.constant(part) for part in rotation)
        self._norms = norms

    def build(self) -> bytes:
        graph, width = self._graph, self._sizes.width
        x = graph.input(TOKENS, (*self._shape, width))
        weights = {
            name: graph.input(name, shape, half=len(shape) > 1)
            for name, shape in block_shapes(self._sizes, self._norms).items()
        }
        x = self._hidden_layer(self._attention(x, weights), weights)
        for number in range(self._norms):
            x = _norm(graph, x, weights[f"norm.{number}.gamma"], width)
        graph.output(RESULT, x, (*self._shape, width))
        return graph.content()

    def _attention(self, x: str, weights: dict[str, str]) -> str:
        """Add the attention to tokens (items, n, width)."""
        graph, sizes = self._graph, self._sizes
        heads, width = sizes.heads, sizes.head_width
        tokens = _norm(graph, x, weights["0.norm.gamma"], sizes.width)
        # Rows of the matrix: queries of all heads, then keys, then values.
        rows = np.arange(3 * heads * width).reshape(3, heads, width)
        # Halves of queries, halves of keys: (query or key, half, head, number).
        mixed = rows[:2].reshape(2, heads, width // 2, 2).transpose(0, 3, 1, 2)
        halves = self._by_head(tokens, weights["0.to_qkv.weight"], mixed, 4 * heads)
        values = self._by_head(tokens, weights["0.to_qkv.weight"], rows[2], heads)
        query1, query2, key1, key2 = graph.add_split("Split", [halves], 4, axis=0, num_outputs=4)
        query, key = self._rotated(query1, query2), self._rotated(key1, key2)
        scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
        scaled = graph.add("Mul", scores, graph.constant(width**-0.5))
        mixture = graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), values)
        by_token = graph.add("Transpose", mixture, perm=[1, 2, 0, 3])  # (items, n, heads, width)
        gates = graph.add(
            "Sigmoid", _linear(graph, tokens, weights["0.to_gates.weight"], weights["0.to_gates.bias"])
        )
        gated = graph.add("Mul", by_token, _reshape(graph, gates, [*self._shape, heads, 1]))
        joined = _reshape(graph, gated, [*self._shape, heads * width])
        return graph.add("Add", x, _linear(graph, joined, weights["0.to_out.0.weight"]))

    def _by_head(self, tokens: str, weight: str, rows: np.ndarray, parts: int) -> str:
        """Multiply tokens by `rows` of the matrix: (items, n, width) -> (parts, items, n, numbers)."""
        graph = self._graph
        chosen = graph.add("Gather", weight, graph.constant(rows.reshape(-1)), axis=0)
        product = _linear(graph, tokens, chosen)
        split = _reshape(graph, product, [*self._shape, parts, rows.size // parts])
        return graph.add("Transpose", split, perm=[2, 0, 1, 3])

    def _rotated(self, first: str, second: str) -> str:
        """Rotate pairs of numbers, one in each half, by the angles of their position (Su et al., arXiv 2104.09864)."""
        graph, (cosine, sine) = self._graph, self._rotation
        return graph.add(
            "Concat",
            graph.add("Sub", graph.add("Mul", first, cosine), graph.add("Mul", second, sine)),
            graph.add("Add", graph.add("Mul", second, cosine), graph.add("Mul", first, sine)),
            axis=-1,
        )

    def _hidden_layer(self, x: str, weights: dict[str, str]) -> str:
        """Add a hidden layer for each token."""
        graph = self._graph
        tokens = _norm(graph, x, weights["1.net.0.gamma"], self._sizes.width)
        hidden = graph.add("Gelu", _linear(graph, tokens, weights["1.net.1.weight"], weights["1.net.1.bias"]))
        result = _linear(graph, hidden, weights["1.net.4.weight"], weights["1.net.4.bias"])
        return graph.add("Add", x, result)


def _norm(graph: OnnxGraph, x: str, gamma: str, width: int) -> str:
    """Divide each vector by its length, and multiply it by `gamma` and the root of its width."""
    power = graph.add(
        "ReduceMean",
        graph.add("Pow", x, graph.constant(2.0)),
        graph.constant([-1]),
        keepdims=1,
    )
    length = graph.add("Sqrt", graph.add("Add", power, graph.constant(SHORTEST**2 / width)))
    return graph.add("Mul", graph.add("Mul", x, graph.add("Div", graph.constant(1.0), length)), gamma)


def _linear(graph: OnnxGraph, x: str, weight: str, bias: str | None = None) -> str:
    product = graph.add("MatMul", x, graph.add("Transpose", weight, perm=[1, 0]))
    return product if bias is None else graph.add("Add", product, bias)


def _reshape(graph: OnnxGraph, x: str, shape: Sequence[int]) -> str:
    return graph.add("Reshape", x, graph.constant(list(shape)))
