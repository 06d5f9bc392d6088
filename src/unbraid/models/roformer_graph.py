"""Build the ONNX graph of a band-split transformer from its sizes.

The graph turns a spectrum into tokens. `unbraid.separation.runtimes.roformer` makes masks of them, because the weights
of the masks are most of a network and would be in memory twice. `unbraid.networks.roformer` is the same network in
PyTorch. The graph differs in the order of computation:

- A few heads are computed at a time, and a part of the hidden layer at a time. Their results add up to the tokens. So
  the largest intermediate result is about as large as the tokens, not four times as large.
- Rows of the matrices for queries and keys are sorted so that the two numbers that a rotation mixes are in different
  halves of a head. Products of queries and keys stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unbraid.models.folder import SPECTRUM, WEIGHTS
from unbraid.models.graphs import TensorPlace
from unbraid.models.onnx_writer import OnnxGraph
from unbraid.models.roformer import (
    CHANNELS,
    MASKS,
    NUMBERS,
    TOKENS,
    RoformerSizes,
    block_prefix,
    rotation_name,
)

# The published norm divides by the length of a vector, and by 1e-12 if it is shorter.
SHORTEST = 1e-12

# Heads that are computed together, and the numbers of a hidden layer: more take more memory, fewer take more time.
HEADS_AT_ONCE = 4
HIDDEN_AT_ONCE = 512


def build_graph(sizes: RoformerSizes, tensors: Sequence[TensorPlace]) -> bytes:
    """Return the content of the graph's file. `tensors` are the places of its weights."""
    return _Builder(sizes, tensors).build()


class _Builder:
    def __init__(self, sizes: RoformerSizes, tensors: Sequence[TensorPlace]) -> None:
        self._sizes = sizes
        self._graph = OnnxGraph(WEIGHTS)
        for place in tensors:
            if place.name.startswith(MASKS):
                continue
            self._graph.weight(place.name, place.shape, place.offset, place.length, half=place.float16)

    def build(self) -> bytes:
        sizes, graph = self._sizes, self._graph
        shape = (1, CHANNELS, sizes.bins, sizes.frames, 2)
        spectrum = graph.input(SPECTRUM, shape)
        x = self._split_bands(spectrum)
        rotations = [
            self._rotation(axis, length) for axis, length in enumerate((sizes.frames, len(sizes.bands)))
        ]
        for layer in range(sizes.layers):
            for axis, depth in enumerate(sizes.depths):
                for block in range(depth):
                    prefix = block_prefix(layer, axis, block)
                    x = self._attention(x, f"{prefix}.0", axis, rotations[axis])
                    x = self._hidden_layer(x, f"{prefix}.1.net")
                if sizes.transformer_norms:
                    x = self._norm(x, f"layers.{layer}.{axis}.norm.gamma", sizes.width)
        if sizes.final_norm:
            x = self._norm(x, "final_norm.gamma", sizes.width)
        by_band = graph.add("Transpose", x, perm=[1, 0, 2])
        graph.output(TOKENS, by_band, (len(sizes.bands), sizes.frames, sizes.width))
        return graph.content()

    def _split_bands(self, spectrum: str) -> str:
        """Spectrum (1, channels, bins, frames, 2) -> tokens (frames, bands, width)."""
        graph, sizes = self._graph, self._sizes
        frames = graph.add("Transpose", spectrum, perm=[0, 3, 2, 1, 4])
        flat = self._reshape(frames, [sizes.frames, sizes.bins * NUMBERS])
        tokens = []
        for band, (start, stop) in enumerate(sizes.bands):
            prefix = f"band_split.to_features.{band}"
            numbers = self._slice(flat, start * NUMBERS, stop * NUMBERS, axis=1)
            normalised = self._norm(numbers, f"{prefix}.0.gamma", (stop - start) * NUMBERS)
            token = self._linear(normalised, f"{prefix}.1.weight", f"{prefix}.1.bias")
            tokens.append(self._reshape(token, [sizes.frames, 1, sizes.width]))
        return graph.add("Concat", *tokens, axis=1)

    def _norm(self, x: str, gamma: str, width: int) -> str:
        """Divide each vector by its length, and multiply it by `gamma` and the root of its width."""
        graph = self._graph
        power = graph.add(
            "ReduceMean",
            graph.add("Pow", x, graph.constant(2.0)),
            graph.constant([-1]),
            keepdims=1,
        )
        length = graph.add("Sqrt", graph.add("Add", power, graph.constant(SHORTEST**2 / width)))
        return graph.add("Mul", graph.add("Mul", x, graph.add("Div", graph.constant(1.0), length)), gamma)

    def _linear(self, x: str, weight: str, bias: str | None = None) -> str:
        product = self._graph.add("MatMul", x, self._graph.add("Transpose", weight, perm=[1, 0]))
        return product if bias is None else self._graph.add("Add", product, bias)

    def _rotation(self, axis: int, length: int) -> tuple[str, str]:
        """Return cosines and sines of the angles of positions, (length, head_width / 2)."""
        graph = self._graph
        positions = graph.constant(np.arange(length, dtype=np.float32)[:, None])
        angles = graph.add("Mul", positions, rotation_name(axis))
        return graph.add("Cos", angles), graph.add("Sin", angles)

    def _attention(self, x: str, prefix: str, axis: int, rotation: tuple[str, str]) -> str:
        """Add the attention along `axis` to the tokens (frames, bands, width)."""
        graph, sizes = self._graph, self._sizes
        tokens = self._norm(x, f"{prefix}.norm.gamma", sizes.width)
        gates = graph.add(
            "Sigmoid", self._linear(tokens, f"{prefix}.to_gates.weight", f"{prefix}.to_gates.bias")
        )
        for first in range(0, sizes.heads, HEADS_AT_ONCE):
            heads = range(first, min(first + HEADS_AT_ONCE, sizes.heads))
            x = graph.add("Add", x, self._heads(tokens, gates, prefix, axis, rotation, heads))
        return x

    def _heads(
        self, tokens: str, gates: str, prefix: str, axis: int, rotation: tuple[str, str], heads: range
    ) -> str:
        """Compute some heads of an attention: tokens (frames, bands, width) -> the same shape."""
        graph, sizes = self._graph, self._sizes
        count, width = len(heads), sizes.head_width
        # Rows of the matrix: queries of all heads, then keys, then values.
        rows = np.arange(3 * sizes.heads * width).reshape(3, sizes.heads, width)[:, heads.start : heads.stop]
        # Halves of queries, halves of keys: (query or key, half, head, number).
        mixed = rows[:2].reshape(2, count, width // 2, 2).transpose(0, 3, 1, 2)
        halves = self._by_head(tokens, prefix, mixed, 4 * count, axis)
        (values,) = [self._by_head(tokens, prefix, rows[2], count, axis)]
        query1, query2, key1, key2 = graph.add_split("Split", [halves], 4, axis=0, num_outputs=4)
        query = self._rotated(query1, query2, rotation)
        key = self._rotated(key1, key2, rotation)
        scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
        scaled = graph.add("Mul", scores, graph.constant(width**-0.5))
        mixture = graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), values)
        # (heads, bands, frames, width) or (heads, frames, bands, width) -> (frames, bands, heads, width)
        by_token = graph.add("Transpose", mixture, perm=[2, 1, 0, 3] if axis == 0 else [1, 2, 0, 3])
        gate = self._reshape(
            self._slice(gates, heads.start, heads.stop, axis=2), [sizes.frames, len(sizes.bands), count, 1]
        )
        gated = self._reshape(
            graph.add("Mul", by_token, gate), [sizes.frames, len(sizes.bands), count * width]
        )
        columns = self._slice(f"{prefix}.to_out.0.weight", heads.start * width, heads.stop * width, axis=1)
        return self._linear(gated, columns)

    def _by_head(self, tokens: str, prefix: str, rows: np.ndarray, parts: int, axis: int) -> str:
        """Multiply tokens by `rows` of the matrix: (frames, bands, width) -> (parts, ..., numbers).

        The axis of the attention becomes the last but one.
        """
        graph, sizes = self._graph, self._sizes
        chosen = graph.add("Gather", f"{prefix}.to_qkv.weight", graph.constant(rows.reshape(-1)), axis=0)
        product = self._linear(tokens, chosen)
        split = self._reshape(product, [sizes.frames, len(sizes.bands), parts, rows.size // parts])
        return graph.add("Transpose", split, perm=[2, 1, 0, 3] if axis == 0 else [2, 0, 1, 3])

    def _rotated(self, first: str, second: str, rotation: tuple[str, str]) -> str:
        """Rotate pairs of numbers, one in each half, by the angles of their position (Su et al., arXiv 2104.09864)."""
        graph, (cosine, sine) = self._graph, rotation
        return graph.add(
            "Concat",
            graph.add("Sub", graph.add("Mul", first, cosine), graph.add("Mul", second, sine)),
            graph.add("Add", graph.add("Mul", second, cosine), graph.add("Mul", first, sine)),
            axis=-1,
        )

    def _hidden_layer(self, x: str, prefix: str) -> str:
        """Add a hidden layer for each token to the tokens (frames, bands, width)."""
        graph, sizes = self._graph, self._sizes
        tokens = self._norm(x, f"{prefix}.0.gamma", sizes.width)
        x = graph.add("Add", x, f"{prefix}.4.bias")
        for start in range(0, sizes.hidden, HIDDEN_AT_ONCE):
            stop = min(start + HIDDEN_AT_ONCE, sizes.hidden)
            rows = self._slice(f"{prefix}.1.weight", start, stop, axis=0)
            bias = self._slice(f"{prefix}.1.bias", start, stop, axis=0)
            hidden = graph.add("Gelu", self._linear(tokens, rows, bias))
            columns = self._slice(f"{prefix}.4.weight", start, stop, axis=1)
            x = graph.add("Add", x, self._linear(hidden, columns))
        return x

    def _slice(self, x: str, start: int, stop: int, *, axis: int) -> str:
        constant = self._graph.constant
        return self._graph.add("Slice", x, constant([start]), constant([stop]), constant([axis]))

    def _reshape(self, x: str, shape: Sequence[int]) -> str:
        return self._graph.add("Reshape", x, self._graph.constant(list(shape)))
