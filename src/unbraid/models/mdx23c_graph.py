"""Build the ONNX graph of an MDX23C from its sizes.

`unbraid.networks.mdx23c` is the same network in PyTorch. A tensor of the outermost level takes 134 MB in published
models, so the graph computes in an order that keeps four of them in memory (seven in the plain order):

- Where the decoder reads the encoder's result too, each of both is normalised and convolved, and the results are
  added. Both side by side would be in memory once more.
- The first convolution is computed again for its product with the result.
- Sums have a clamp on one side, which decides what OpenVINO computes first (`_sum`).
- The linear layers over the bins multiply with the weights from the left, with channels last in memory, as the
  convolutions around them have them.
"""

from __future__ import annotations

from collections.abc import Sequence

from unbraid.models.folder import SPECTRA, SPECTRUM, WEIGHTS
from unbraid.models.graphs import TensorPlace
from unbraid.models.mdx23c import CHANNELS, Mdx23cSizes, down_name, up_name
from unbraid.models.onnx_writer import OnnxGraph

EPSILON = 1e-5  # of the published normalisation
# The same in float32 but for its last bits. OpenVINO would compute equal normalisations of an encoder's result once,
# and keep them until the decoder needs them.
AGAIN = 1e-5 * (1 + 1e-6)

# Far beyond any product of weights and music; float32 ends at 3.4e38.
LIMIT = 1e30

CHANNELS_LAST, CHANNELS_SECOND = [0, 2, 3, 1], [0, 3, 1, 2]


def build_graph(sizes: Mdx23cSizes, tensors: Sequence[TensorPlace]) -> bytes:
    """Return the content of the graph's file. `tensors` are the places of its weights."""
    return _Builder(sizes, tensors).build()


class _Builder:
    def __init__(self, sizes: Mdx23cSizes, tensors: Sequence[TensorPlace]) -> None:
        self._sizes = sizes
        self._graph = OnnxGraph(WEIGHTS)
        for place in tensors:
            self._graph.weight(place.name, place.shape, place.offset, place.length, half=place.float16)

    def build(self) -> bytes:
        sizes, graph = self._sizes, self._graph
        all_bins = sizes.n_fft // 2 + 1
        spectrum = graph.input(SPECTRUM, (1, CHANNELS, all_bins, sizes.frames, 2))
        subbands, gain = self._subbands(spectrum), graph.constant(sizes.n_fft**0.5)
        # The network was trained with unscaled spectra.
        mixture = graph.add("Mul", subbands, gain)
        x = self._convolution([mixture], "first_conv.weight")
        skipped: list[str] = []
        for prefix, level, _ in sizes.stages():
            if prefix.startswith("decoder_blocks"):
                up = up_name(sizes, level)
                step = graph.add(
                    "ConvTranspose", self._activated(x, f"{up}.0"), f"{up}.2.weight", strides=sizes.scale
                )
                x = self._blocks([step, skipped.pop()], prefix, level)
                continue
            x = self._blocks([x], prefix, level)
            if level < sizes.levels:
                skipped.append(x)
                down = down_name(level)
                x = graph.add(
                    "Conv", self._activated(x, f"{down}.0"), f"{down}.2.weight", strides=sizes.scale
                )
        # Computed again instead of kept. OpenVINO would keep the same convolution of the same numbers.
        first = graph.add("Mul", self._convolution([subbands], "first_conv.weight"), gain)
        product = graph.add("Mul", x, first)
        hidden = graph.add("Gelu", self._convolution([mixture, product], "final_conv.0.weight"))
        stems = self._spectra(self._convolution([hidden], "final_conv.2.weight"))
        graph.output(SPECTRA, stems, (1, sizes.stems, CHANNELS, all_bins, sizes.frames, 2))
        return graph.content()

    def _subbands(self, spectrum: str) -> str:
        """Spectrum (1, channels, bins, frames, 2) -> (1, inputs, frames, bins of a subband)."""
        graph, sizes, constant = self._graph, self._sizes, self._graph.constant
        frames, subband = sizes.shape(0)
        used = graph.add("Slice", spectrum, constant([0]), constant([sizes.bins]), constant([2]))
        split = self._reshape(used, [1, CHANNELS, sizes.subbands, subband, frames, 2])
        by_part = graph.add("Transpose", split, perm=[0, 1, 5, 2, 4, 3])
        return self._reshape(by_part, [1, sizes.inputs, frames, subband])

    def _spectra(self, stems: str) -> str:
        """(1, stems x inputs, frames, bins of a subband) -> (1, stems, channels, bins, frames, 2)."""
        graph, sizes, constant = self._graph, self._sizes, self._graph.constant
        frames, subband = sizes.shape(0)
        scaled = graph.add("Mul", stems, constant(sizes.n_fft**-0.5))
        split = self._reshape(scaled, [sizes.stems, CHANNELS, 2, sizes.subbands, frames, subband])
        by_bin = graph.add("Transpose", split, perm=[0, 1, 3, 5, 4, 2])
        joined = self._reshape(by_bin, [1, sizes.stems, CHANNELS, sizes.bins, frames, 2])
        missing = sizes.n_fft // 2 + 1 - sizes.bins
        return graph.add("Pad", joined, constant([0] * 9 + [missing, 0, 0]))

    def _blocks(self, parts: list[str], prefix: str, level: int) -> str:
        """Add the blocks of a level. `parts`: its input, side by side."""
        for block in range(self._sizes.blocks):
            parts = [self._block(parts, f"{prefix}.blocks.{block}", level)]
        return parts[0]

    def _block(self, parts: list[str], name: str, level: int) -> str:
        graph = self._graph
        shortcut = self._convolution(parts, f"{name}.shortcut.weight")
        activated = self._activated_parts(parts, f"{name}.tfc1.0", self._sizes.channels(level))
        x = self._convolution(activated, f"{name}.tfc1.2.weight")
        narrow = self._linear(self._activated(x, f"{name}.tdf.0"), f"{name}.tdf.2.weight")
        wide = self._linear(self._activated(narrow, f"{name}.tdf.3"), f"{name}.tdf.5.weight")
        both = self._activated(graph.add("Add", x, wide), f"{name}.tfc2.0")
        return self._sum(shortcut, self._convolution([both], f"{name}.tfc2.2.weight"))

    def _activated(self, x: str, norm: str) -> str:
        return self._normalised(x, f"{norm}.weight", f"{norm}.bias")

    def _activated_parts(self, parts: list[str], norm: str, channels: int) -> list[str]:
        """Normalise and activate parts of `channels` each. The second part is an encoder's result."""
        if len(parts) == 1:
            return [self._activated(parts[0], norm)]
        activated = []
        for number, (part, epsilon) in enumerate(zip(parts, (EPSILON, AGAIN), strict=True)):
            weight, bias = (
                self._slice(f"{norm}.{name}", number * channels, channels, axis=0)
                for name in ("weight", "bias")
            )
            activated.append(self._normalised(part, weight, bias, epsilon))
        return activated

    def _normalised(self, x: str, weight: str, bias: str, epsilon: float = EPSILON) -> str:
        graph = self._graph
        return graph.add("Gelu", graph.add("InstanceNormalization", x, weight, bias, epsilon=epsilon))

    def _convolution(self, parts: list[str], weight: str) -> str:
        """Convolve one or two groups of channels, which are side by side in the published network."""
        graph, shape = self._graph, self._sizes.shapes()[weight]
        pads = [shape[2] // 2, shape[3] // 2] * 2
        if len(parts) == 1:
            return graph.add("Conv", parts[0], weight, pads=pads)
        # The last convolutions read the mixture first; in a decoder, both groups are equal.
        first = self._sizes.inputs if weight == "final_conv.0.weight" else shape[1] // 2
        groups = ((0, first), (first, shape[1] - first))
        results = [
            graph.add("Conv", part, self._slice(weight, start, width, axis=1), pads=pads)
            for part, (start, width) in zip(parts, groups, strict=True)
        ]
        return self._sum(*results)

    def _sum(self, first: str, second: str) -> str:
        """Add two tensors. OpenVINO adds the first one, a convolution, to the second while it computes it."""
        graph = self._graph
        return graph.add(
            "Add", first, graph.add("Clip", second, graph.constant(-LIMIT), graph.constant(LIMIT))
        )

    def _linear(self, x: str, weight: str) -> str:
        """Multiply the bins of each frame and channel by a matrix."""
        graph = self._graph
        columns = graph.add("Transpose", x, perm=CHANNELS_LAST)
        return graph.add("Transpose", graph.add("MatMul", weight, columns), perm=CHANNELS_SECOND)

    def _slice(self, x: str, start: int, width: int, *, axis: int) -> str:
        constant = self._graph.constant
        return self._graph.add("Slice", x, constant([start]), constant([start + width]), constant([axis]))

    def _reshape(self, x: str, shape: Sequence[int]) -> str:
        return self._graph.add("Reshape", x, self._graph.constant(list(shape)))
