"""Build the ONNX graph of a Spleeter with any number of stems. `unbraid.networks.spleeter` is the same in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

from unbraid.models.folder import SPECTRA, SPECTRUM, WEIGHTS
from unbraid.models.graphs import TensorPlace
from unbraid.models.onnx_writer import OnnxGraph
from unbraid.models.spleeter import (
    BINS,
    EPSILON,
    FRAMES,
    LEVELS,
    NETWORK_BINS,
    SCALE,
    UPPER_BINS,
    SpleeterSizes,
    names,
)

NORM_EPSILON = 1e-3
SLOPE = 0.2  # of the leaky activation in the encoder


def build_graph(sizes: SpleeterSizes, tensors: Sequence[TensorPlace]) -> bytes:
    """Return the content of the graph's file. `tensors` are the places of its weights."""
    return _Builder(sizes, tensors).build()


class _Builder:
    def __init__(self, sizes: SpleeterSizes, tensors: Sequence[TensorPlace]) -> None:
        self._sizes = sizes
        self._elu = sizes.activation == "elu"
        self._graph = OnnxGraph(WEIGHTS)
        for place in tensors:
            self._graph.weight(place.name, place.shape, place.offset, place.length, half=place.float16)

    def build(self) -> bytes:
        graph, stems, constant = self._graph, self._sizes.stems, self._graph.constant
        spectrum = graph.input(SPECTRUM, (1, 2, BINS, FRAMES, 2))
        squares = graph.add("Mul", *[self._slice(spectrum, 0, NETWORK_BINS, 2)] * 2)
        root = graph.add("Sqrt", graph.add("ReduceSum", squares, constant([4]), keepdims=0))
        magnitudes = graph.add("Mul", root, constant(SCALE))
        logits = self._stack([self._u_net(magnitudes, source) for source in range(stems)])
        shares = graph.add("Sigmoid", logits)
        if self._sizes.masks == "softmax":
            shares = graph.add("Softmax", logits, axis=1)
        whole = self._reshape(magnitudes, 1, 1, 2, NETWORK_BINS, FRAMES)
        estimates = graph.add("Mul", shares, whole)
        powers = graph.add("Mul", estimates, estimates)
        total = graph.add("Add", graph.add("ReduceSum", powers, constant([1])), constant(EPSILON))
        masks = graph.add("Div", graph.add("Add", powers, constant(EPSILON / stems)), total)
        upper = self._slice(masks, NETWORK_BINS - UPPER_BINS, NETWORK_BINS, 3)
        mean = graph.add("ReduceMean", upper, constant([3]))
        above = graph.add("Expand", mean, constant([1, stems, 2, BINS - NETWORK_BINS, FRAMES]))
        masks = self._reshape(graph.add("Concat", masks, above, axis=3), 1, stems, 2, BINS, FRAMES, 1)
        result = graph.add("Mul", masks, self._reshape(spectrum, 1, 1, 2, BINS, FRAMES, 2))
        graph.output(SPECTRA, result, (1, stems, 2, BINS, FRAMES, 2))
        return graph.content()

    def _u_net(self, x: str, source: int) -> str:
        """(1, 2, NETWORK_BINS, FRAMES) -> the same shape."""
        graph = self._graph
        convolutions, transposed, norms, last = names(source)
        skipped: list[str] = []
        for level, name in enumerate(convolutions):
            x = self._convolution(x, name, [1, 1, 2, 2], strides=[2, 2])
            skipped.append(x)
            if level < LEVELS - 1:
                x = self._norm(x, norms[level])
                x = graph.add("Elu", x) if self._elu else graph.add("LeakyRelu", x, alpha=SLOPE)
        for level, name in enumerate(transposed):
            if level:
                x = graph.add("Concat", skipped[LEVELS - 1 - level], x, axis=1)
            weight = graph.add("Transpose", f"{name}.kernel", perm=[3, 2, 1, 0])
            x = graph.add("ConvTranspose", x, weight, f"{name}.bias", strides=[2, 2], pads=[1, 1, 2, 2])
            x = graph.add("Elu", x) if self._elu else graph.add("Relu", x)
            x = self._norm(x, norms[LEVELS + level])
        return self._convolution(x, last, [3] * 4, dilations=[2, 2])

    def _convolution(self, x: str, name: str, pads: Sequence[int], **attributes: Sequence[int]) -> str:
        """Convolve with a kernel in TensorFlow's layout: (time, frequency, inputs, outputs)."""
        weight = self._graph.add("Transpose", f"{name}.kernel", perm=[3, 2, 1, 0])
        return self._graph.add("Conv", x, weight, f"{name}.bias", pads=pads, **attributes)

    def _norm(self, x: str, name: str) -> str:
        parts = [f"{name}.{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance")]
        return self._graph.add("BatchNormalization", x, *parts, epsilon=NORM_EPSILON)

    def _stack(self, parts: Sequence[str]) -> str:
        """Join (1, 2, bins, frames) to (1, sources, 2, bins, frames)."""
        return self._graph.add(
            "Concat", *(self._reshape(part, 1, 1, 2, NETWORK_BINS, FRAMES) for part in parts), axis=1
        )

    def _slice(self, x: str, start: int, end: int, axis: int) -> str:
        constant = self._graph.constant
        return self._graph.add("Slice", x, constant([start]), constant([end]), constant([axis]))

    def _reshape(self, x: str, *shape: int) -> str:
        return self._graph.add("Reshape", x, self._graph.constant(list(shape)))
