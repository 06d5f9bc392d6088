"""Find the layers of an MDX-Net in its graph, for the native library.

Only the published structure is known: the U-Net of `unbraid.networks.mdx` with batch normalisation. Normalisations
become part of the layers before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.models.folder import SPECTRA, SPECTRUM, WEIGHTS, Model, read_network
from unbraid.models.mdx_graph import INPUT, OUTPUT, PARTS, MdxGraph, check_mdx_graph
from unbraid.models.mdx_write import LOWEST_BINS, unwrapped, wrapped
from unbraid.models.readers.onnx import read_graph
from unbraid.models.readers.onnx_graph import Graph, Node
from unbraid.models.readers.tensors import PackageError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CHANGING = ("scale", "gain")
"""Weights of the operations around the network whose values depend on the model."""


class _OtherStructureError(Exception):
    """The graph isn't the U-Net that this module knows."""


@dataclass(slots=True)
class MdxLayers:
    """Sizes of a network, and its weights."""

    bins: int
    frames: int
    all_bins: int
    """Bins of the spectra that the network reads and writes."""
    growth: int = 0
    """Channels of the outermost level; each deeper level has as many more."""
    levels: int = 0
    """Levels below the outermost one. Each halves bins and frames."""
    convolutions: int = 0
    """Of a block."""
    narrow: int = 0
    """Bins between both products over the bins of the outermost level."""
    first_bin: int = LOWEST_BINS
    """The network doesn't read the bins below."""
    tensors: list[Floats] = field(default_factory=list)
    """First layer; for each level its block, and the layer to the next level; upwards, the layer to each level, and its
    block; last layer. A layer has weights and a bias; a block has its convolutions, and twice weights (bins before,
    bins after), and a gain and an offset for each channel."""


def read_layers(model: Model) -> MdxLayers | None:
    """Return the layers of a model folder; None unless it has an MDX-Net in the published structure."""
    if model.inputs != (SPECTRUM,) or model.outputs != (SPECTRA,) or model.n_fft is None or model.hop is None:
        return None
    if model.members or read_network(model.folder):
        return None
    try:
        graph = read_graph(model.graph, model.folder / WEIGHTS)
        bins = graph.weights.get("last", np.zeros(1)).reshape(-1)[0]
        checked = check_mdx_graph(unwrapped(graph, int(bins), model.segment // model.hop + 1))
    except (ModelError, PackageError):
        return None
    layers = layers_of(checked, model.n_fft // 2 + 1)
    if layers is None or not _is_wrapped(graph, wrapped(checked, model.n_fft, 1.0)):
        return None
    scale, gain = (graph.weights[name].astype(np.float64) for name in CHANGING)
    layers.tensors[0] = (layers.tensors[0] * scale).astype(np.float32)
    for place in (-2, -1):
        layers.tensors[place] = (layers.tensors[place] * gain).astype(np.float32)
    return layers


def layers_of(checked: MdxGraph, all_bins: int) -> MdxLayers | None:
    """Return the layers of a network alone, without scales; None if it has another structure.

    `all_bins`: bins of the spectra around the network.
    """
    layers = MdxLayers(checked.bins, checked.frames, all_bins)
    try:
        _Walk(checked, layers).network()
    except _OtherStructureError:
        return None
    return layers


def _is_wrapped(graph: Graph, expected: Graph) -> bool:
    """Whether the graph of a model folder equals what `wrapped` returns, but for scales."""
    if graph.nodes != expected.nodes or graph.weights.keys() != expected.weights.keys():
        return False
    return all(
        array.shape == expected.weights[name].shape
        and (name in CHANGING or np.array_equal(array, expected.weights[name], equal_nan=True))
        for name, array in graph.weights.items()
    )


class _Walk:
    """Walks through the operations in order, and collects the weights. Methods raise _OtherStructureError."""

    def __init__(self, graph: MdxGraph, layers: MdxLayers) -> None:
        self._graph = graph
        self._layers = layers
        self._next = 0
        self._last = INPUT
        """Result of the operation before the next one."""

    def network(self) -> None:
        """Collect the weights of the whole network."""
        layers = self._layers
        layers.growth = self._convolution(1).shape[0]
        self._take("Transpose", perm=(0, 1, 3, 2))
        skipped = []
        self._block(0)
        while (node := self._peek()).operator == "Conv":
            skipped.append(self._last)
            layers.levels += 1
            self._convolution(2)
            self._block(layers.levels)
        for level in reversed(range(layers.levels)):
            self._transposed()
            self._combine("Mul", skipped[level])
            self._block(level)
        self._take("Transpose", perm=(0, 1, 3, 2))
        node = self._take("Conv", **_window(1))
        self._add(self._weight(node, 1), self._bias(node, PARTS))
        if self._last != OUTPUT or self._next != len(self._graph.nodes):
            raise _OtherStructureError

    def _block(self, level: int) -> None:
        count = 0
        while self._peek().operator == "Conv":
            self._convolution(3)
            count += 1
        before = self._last
        narrow = self._product()
        self._product()
        self._combine("Add", before)
        if not self._layers.convolutions:
            self._layers.convolutions, self._layers.narrow = count, narrow
        if (count, narrow << level) != (self._layers.convolutions, self._layers.narrow):
            raise _OtherStructureError

    def _convolution(self, size: int) -> Floats:
        """A convolution of size x size, its normalisation and the positive part. Return its weights."""
        node = self._take("Conv", **_window(size))
        weight = self._weight(node, 1)
        gain, offset = self._normalisation(len(weight), self._bias(node, len(weight)))
        self._take("Relu")
        self._add(weight * gain[:, None, None, None], offset)
        return weight

    def _transposed(self) -> None:
        window = _window(2)
        del window["group"]
        node = self._take("ConvTranspose", **window)
        weight = self._weight(node, 1)
        outputs = weight.shape[1]
        gain, offset = self._normalisation(outputs, self._bias(node, outputs))
        self._take("Relu")
        self._add(weight * gain[None, :, None, None], offset)

    def _product(self) -> int:
        """A product over the bins, its normalisation and the positive part. Return the number of bins."""
        weight = self._weight(self._take("MatMul"), 1)
        channels = self._layers.tensors[-1].size  # of the layer before it
        if self._peek().operator != "BatchNormalization":
            raise _OtherStructureError
        gain, offset = self._normalisation(channels, np.zeros(channels))
        self._take("Relu")
        self._add(weight, gain, offset)
        return int(weight.shape[1])

    def _normalisation(self, channels: int, bias: Doubles) -> tuple[Doubles, Doubles]:
        """Return gain and offset of a batch normalisation, if there is one, after adding `bias`."""
        if self._peek().operator != "BatchNormalization":
            return np.ones(channels), bias
        node = self._take("BatchNormalization", epsilon=None)
        weight, shift, mean, variance = (self._weight(node, k).astype(np.float64) for k in range(1, 5))
        epsilon = node.attributes["epsilon"]
        assert isinstance(epsilon, float)
        with np.errstate(invalid="ignore"):  # a damaged file: the samples are checked
            gain = weight / np.sqrt(variance + epsilon)
        return gain, (bias - mean) * gain + shift

    def _peek(self) -> Node:
        if self._next == len(self._graph.nodes):
            raise _OtherStructureError
        return self._graph.nodes[self._next]

    def _take(self, operator: str, **attributes: object) -> Node:
        """Return the next operation, which reads the result of the last one. `attributes`: None for any value."""
        node = self._peek()
        if node.operator != operator or node.inputs[0] != self._last:
            raise _OtherStructureError
        if node.attributes.keys() != attributes.keys() or any(
            value not in (None, node.attributes[name]) for name, value in attributes.items()
        ):
            raise _OtherStructureError
        self._advance(node)
        return node

    def _combine(self, operator: str, other: str) -> None:
        """Take an operation on the result of the last one and on `other`."""
        node = self._peek()
        if node.operator != operator or sorted(node.inputs) != sorted((self._last, other)):
            raise _OtherStructureError
        self._advance(node)

    def _advance(self, node: Node) -> None:
        self._next += 1
        self._last = node.outputs[0]

    def _weight(self, node: Node, place: int) -> Floats:
        weight = self._graph.weights.get(node.inputs[place])
        if weight is None:
            raise _OtherStructureError
        return weight

    def _bias(self, node: Node, channels: int) -> Doubles:
        return self._weight(node, 2).astype(np.float64) if len(node.inputs) == 3 else np.zeros(channels)

    def _add(self, *tensors: NDArray[np.floating]) -> None:
        self._layers.tensors.extend(tensor.astype(np.float32) for tensor in tensors)


def _window(size: int) -> dict[str, object]:
    """Return the attributes of a convolution of size x size: with zeros around for 3, with stride 2 for 2."""
    return {
        "kernel_shape": (size, size),
        "strides": (2, 2) if size == 2 else (1, 1),
        "pads": (1, 1, 1, 1) if size == 3 else (0, 0, 0, 0),
        "dilations": (1, 1),
        "group": 1,
    }


def sizes_of(layers: MdxLayers) -> Mapping[str, int]:
    """Return the sizes by name."""
    names = ("bins", "frames", "all_bins", "first_bin", "growth", "levels", "convolutions", "narrow")
    return {name: getattr(layers, name) for name in names}
