"""Build the ONNX graph of the bundled network from its sizes. See `unbraid.networks.lite` for the same in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unbraid.models.folder import SPECTRA, SPECTRUM, WEIGHTS
from unbraid.models.graphs import TensorPlace
from unbraid.models.lite import (
    BAND,
    BANDS,
    BINS,
    FEATURES,
    FRAMES,
    HOP,
    N_FFT,
    POOLED,
    POOLING,
    LiteConfig,
)
from unbraid.models.onnx_writer import OnnxGraph

EPSILON = 1e-5  # of the normalisations
SMALL = 1e-7  # keeps powers and ratios of silence finite


def build_graph(sizes: LiteConfig, tensors: Sequence[TensorPlace]) -> bytes:
    """Return the content of the graph's file. `tensors` are the places of its weights."""
    return _Builder(sizes, tensors).build()


class _Builder:
    def __init__(self, sizes: LiteConfig, tensors: Sequence[TensorPlace]) -> None:
        self._sizes = sizes
        self._dilations = {name: dilation for name, _, _, dilation in sizes.stages()}
        self._graph = OnnxGraph(WEIGHTS)
        for place in tensors:
            self._graph.weight(place.name, place.shape, place.offset, place.length, half=place.float16)

    def build(self) -> bytes:
        graph, sizes = self._graph, self._sizes
        spectrum = graph.input(SPECTRUM, (1, 2, BINS, FRAMES, 2))
        x = self._conv(self._norm(self._features(spectrum), "normalise"), "embed", group=BANDS)
        x = self._swap(self._reshape(self._relu(x), 1, BANDS, sizes.widths[0], FRAMES))
        level0 = self._stage(x, "encoder0")
        down = self._relu(self._conv(level0, "down1", strides=[2, 2]))
        level1 = self._stage(down, "encoder1")
        x = self._relu(self._conv(level1, "down2", strides=[2, 2], pads=[1, 0, 1, 0]))
        for number in range(sizes.bottom):
            x = self._stage(x, f"bottom.{number}")
        up = self._transposed(x, "up1", pads=[1, 0, 1, 0])
        x = self._stage(self._relu(graph.add("Add", up, level1)), "decoder1")
        up = self._transposed(x, "up0")
        x = self._stage(self._relu(graph.add("Add", up, level0)), "decoder0")
        x = self._reshape(self._swap(x), 1, BANDS * sizes.widths[0], FRAMES)
        x = self._relu(self._conv(x, "hidden", group=BANDS))
        masks = self._unpooled(self._masks(self._conv(x, "masks", group=BANDS)))
        stems = graph.add(
            "Mul",
            self._reshape(masks, 1, sizes.stems, 2, BINS, FRAMES, 1),
            self._reshape(spectrum, 1, 1, 2, BINS, FRAMES, 2),
        )
        graph.output(SPECTRA, stems, (1, sizes.stems, 2, BINS, FRAMES, 2))
        return graph.content()

    def _features(self, spectrum: str) -> str:
        """See `Lite.features`: (1, 2, BINS, frames, 2) -> (1, BANDS * FEATURES * BAND, frames)."""
        real, imag = (
            self._reshape(self._slice(spectrum, part, part + 1, 4), 1, 2, BINS, FRAMES) for part in (0, 1)
        )
        (left, right), (left_i, right_i) = (
            [self._slice(part, channel, channel + 1, 1) for channel in (0, 1)] for part in (real, imag)
        )
        middle, middle_i = self._add(left, right), self._add(left_i, right_i)
        quarter = self._graph.constant(0.25)
        middle_power = self._pooled(self._mul(quarter, self._power(middle, middle_i)))
        side = (self._sub(left, right), self._sub(left_i, right_i))
        side_power = self._pooled(self._mul(quarter, self._power(*side)))
        power = self._pooled(self._power(real, imag))
        powers = self._concat(1, power, middle_power, side_power)
        magnitudes = self._graph.add("Pow", self._add(powers, self._small()), self._graph.constant(0.15))
        total = self._add(self._graph.add("ReduceSum", powers, self._list(1)), self._small())
        cross = self._pooled(
            self._concat(
                1,
                self._add(self._mul(left, right), self._mul(left_i, right_i)),
                self._sub(self._mul(left_i, right), self._mul(left, right_i)),
            )
        )
        cross = self._graph.add("Div", self._mul(self._graph.constant(2.0), cross), total)
        before, before_i = self._delayed(middle), self._delayed(middle_i)
        turn_r = self._add(self._mul(middle, before), self._mul(middle_i, before_i))
        turn_i = self._sub(self._mul(middle_i, before), self._mul(middle, before_i))
        turn = 2 * np.pi * HOP / N_FFT * np.arange(BINS)[:, None]
        cosine, sine = (
            self._graph.constant(part.astype(np.float32)) for part in (np.cos(turn), np.sin(turn))
        )
        turned = self._pooled(
            self._concat(
                1,
                self._add(self._mul(turn_r, cosine), self._mul(turn_i, sine)),
                self._sub(self._mul(turn_i, cosine), self._mul(turn_r, sine)),
            )
        )
        both = self._graph.add("Sqrt", self._mul(middle_power, self._delayed(middle_power)))
        scale = self._add(self._mul(both, self._graph.constant(4.0)), self._small())
        x = self._concat(1, magnitudes, cross, self._graph.add("Div", turned, scale))
        bands = self._reshape(x, 1, FEATURES, BANDS, BAND, FRAMES)
        ordered = self._graph.add("Transpose", bands, perm=[0, 2, 1, 3, 4])
        return self._reshape(ordered, 1, BANDS * FEATURES * BAND, FRAMES)

    def _masks(self, x: str) -> str:
        """Return masks (1, stems, 2, POOLED, FRAMES) that sum to one over the stems."""
        stems = self._sizes.stems
        grid = self._reshape(x, 1, BANDS, stems, 2, BAND, FRAMES)
        shares = self._graph.add("Softmax", grid, axis=2)
        ordered = self._graph.add("Transpose", shares, perm=[0, 2, 3, 1, 4, 5])
        return self._reshape(ordered, 1, stems, 2, POOLED, FRAMES)

    def _pooled(self, power: str) -> str:
        """Average each pooled bin: (1, channels, BINS, frames) -> (1, channels, POOLED, frames)."""
        parts, start = [], 0
        for width, count in POOLING:
            part = self._slice(power, start, start + width * count, 2)
            if width > 1:
                split = self._reshape(part, 1, -1, count, width, FRAMES)
                part = self._graph.add("ReduceMean", split, self._list(3), keepdims=0)
            parts.append(part)
            start += width * count
        return self._concat(2, *parts)

    def _unpooled(self, masks: str) -> str:
        """Copy each pooled bin to its bins: (1, stems, 2, POOLED, frames) -> (1, stems, 2, BINS, frames)."""
        stems = self._sizes.stems
        parts, start = [], 0
        for width, count in POOLING:
            part = self._slice(masks, start, start + count, 3)
            if width > 1:
                column = self._reshape(part, 1, stems, 2, count, 1, FRAMES)
                spread = self._graph.add("Expand", column, self._list(1, stems, 2, count, width, FRAMES))
                part = self._reshape(spread, 1, stems, 2, count * width, FRAMES)
            parts.append(part)
            start += count
        return self._concat(3, *parts, self._slice(masks, POOLED - 1, POOLED, 3))

    def _stage(self, x: str, name: str) -> str:
        """A residual block and a band mixer."""
        dilation = self._dilations[name]
        inner = self._relu(self._norm(self._conv(x, f"{name}.0.convs.0", pads=[1] * 4), f"{name}.0.convs.1"))
        pads = [1, dilation, 1, dilation]
        inner = self._conv(inner, f"{name}.0.convs.3", pads=pads, dilations=[1, dilation])
        x = self._relu(self._add(x, self._norm(inner, f"{name}.0.convs.4")))
        mixed = self._relu(self._conv(self._swap(x), f"{name}.1.layers.0"))
        return self._add(x, self._norm(self._swap(self._conv(mixed, f"{name}.1.layers.2")), f"{name}.1.norm"))

    def _conv(self, x: str, name: str, **attributes: int | Sequence[int]) -> str:
        return self._graph.add("Conv", x, *self._parameters(name), **attributes)

    def _transposed(self, x: str, name: str, **attributes: Sequence[int]) -> str:
        return self._graph.add("ConvTranspose", x, *self._parameters(name), strides=[2, 2], **attributes)

    def _parameters(self, name: str) -> list[str]:
        shapes = self._sizes.shapes()
        return [full for full in (f"{name}.weight", f"{name}.bias") if full in shapes]

    def _norm(self, x: str, name: str) -> str:
        parts = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        return self._graph.add("BatchNormalization", x, *parts, epsilon=EPSILON)

    def _power(self, real: str, imag: str) -> str:
        return self._add(self._mul(real, real), self._mul(imag, imag))

    def _delayed(self, x: str) -> str:
        """Delay (1, channels, bins, frames) by a frame."""
        return self._graph.add("Pad", self._slice(x, 0, FRAMES - 1, 3), self._list(0, 0, 0, 1, 0, 0, 0, 0))

    def _swap(self, x: str) -> str:
        """Exchange channels and bands."""
        return self._graph.add("Transpose", x, perm=[0, 2, 1, 3])

    def _add(self, one: str, other: str) -> str:
        return self._graph.add("Add", one, other)

    def _sub(self, one: str, other: str) -> str:
        return self._graph.add("Sub", one, other)

    def _mul(self, one: str, other: str) -> str:
        return self._graph.add("Mul", one, other)

    def _relu(self, x: str) -> str:
        return self._graph.add("Relu", x)

    def _small(self) -> str:
        return self._graph.constant(SMALL)

    def _concat(self, axis: int, *parts: str) -> str:
        return self._graph.add("Concat", *parts, axis=axis)

    def _list(self, *values: int) -> str:
        return self._graph.constant(list(values))

    def _slice(self, x: str, start: int, end: int, axis: int) -> str:
        return self._graph.add("Slice", x, self._list(start), self._list(end), self._list(axis))

    def _reshape(self, x: str, *shape: int) -> str:
        return self._graph.add("Reshape", x, self._list(*shape))
