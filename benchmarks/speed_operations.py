"""Count the multiplications and additions of a network in its graph.

Counts matrix products and convolutions: a multiplication and an addition for each pair of weight and value, padding
included, because kernels compute it. Everything else (activations, normalisations, softmax) is little work, and a
processor's peak rate does not apply to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from types import SimpleNamespace
from typing import Any

from unbraid.models import Model
from unbraid.separation.network import Network
from unbraid.separation.runtimes.openvino import import_openvino

Shape = Sequence[int]

# Nodes of HTDemucs that the native engine computes with floats: the waveform encoder, other layers with few input or
# output channels, and narrow layers of the residual branches except their first convolution.
AS_FLOATS = re.compile(
    r"/encoder\.\d/(conv/|Conv)|/tencoder\.|/dconv/layers\.\d/(?!Conv/|Conv$)|/tdecoder\.3/conv_tr/|/decoder\.3/conv_tr/"
)
# Node names of the parts of `unbraid.native.library.STAGES`. The first match counts.
PARTS = {
    "spectral encoder": r"/encoder\.",
    "waveform encoder": r"/tencoder\.",
    "projections": r"/(self|cross)_attn/MatMul(_[12])?$|/channel_",
    "attention": r"/(self|cross)_attn/(?!out_proj)",
    "feed-forward": r"/crosstransformer/",
    "spectral decoder": r"/decoder\.",
    "waveform decoder": r"/tdecoder\.",
}


def _matmul(operation: Any, left: Shape, right: Shape, out: Shape) -> int:
    """(…, rows, inner) by (…, inner, columns): `inner` products for each output value."""
    inner = left[-2] if operation.get_attributes()["transpose_a"] and len(left) > 1 else left[-1]
    return prod(out) * inner


def _convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (output channels, input channels, taps…): each output value is a sum over input channels and taps."""
    return prod(out) * prod(kernel[1:])


def _group_convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (groups, output channels of a group, input channels of a group, taps…)."""
    return prod(out) * prod(kernel[2:])


def _transposed_convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (input channels, output channels, taps…): each input value meets all output channels and taps."""
    return prod(data) * prod(kernel[1:])


def _transposed_group_convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (groups, input channels of a group, output channels of a group, taps…)."""
    return prod(data) * prod(kernel[2:])


PRODUCTS: Mapping[str, Callable[[Any, Shape, Shape, Shape], int]] = {
    "MatMul": _matmul,
    "Convolution": _convolution,
    "GroupConvolution": _group_convolution,
    "ConvolutionBackpropData": _transposed_convolution,
    "GroupConvolutionBackpropData": _transposed_group_convolution,
}
# Kinds of nodes with products that this module can't count.
UNCOUNTABLE = {"Einsum", "LSTMSequence", "GRUSequence", "RNNSequence", "LSTMCell", "GRUCell", "RNNCell",
           "TensorIterator", "Loop", "If", "DFT", "IDFT", "RDFT", "IRDFT", "DeformableConvolution",
           "ScaledDotProductAttention"}  # fmt: skip


def count(network: Any) -> dict[str, tuple[str, int]]:
    """Return kind and floating-point operations of each node of an `openvino.Model` with static shapes, by node name.

    Raises ValueError for a kind of node that can't be counted.
    """
    counted = {}
    for operation in network.get_ordered_ops():
        kind = operation.get_type_name()
        if kind in UNCOUNTABLE:
            raise ValueError(f"{operation.get_friendly_name()}: can't count {kind}")
        if kind in PRODUCTS:
            shapes = [list(operation.get_input_shape(0)), list(operation.get_input_shape(1)),
                      list(operation.get_output_shape(0))]  # fmt: skip
            counted[operation.get_friendly_name()] = kind, 2 * PRODUCTS[kind](operation, *shapes)
    return counted


def names(operation: Any) -> list[str]:
    """Return the name of a node. For a transposed convolution, which has none, return the names of the next nodes."""
    name = operation.get_friendly_name()
    if name.startswith("/"):
        return [name]
    return [target.get_node().get_friendly_name() for target in operation.output(0).get_target_inputs()]


def part_of(node_names: Iterable[str]) -> str:
    """Return the part of HTDemucs that a node belongs to, from its first known name; else "other"."""
    for name in node_names:
        for part, pattern in PARTS.items():
            if re.search(pattern, name):
                return part
    return "other"


def parts(network: Any) -> dict[str, int]:
    """Return operations by part of HTDemucs."""
    counted, sums = count(network), dict.fromkeys(PARTS, 0)
    for operation in network.get_ordered_ops():
        if operation.get_friendly_name() in counted:
            part = part_of(names(operation))
            sums[part] = sums.get(part, 0) + counted[operation.get_friendly_name()][1]
    return sums


def as_floats(network: Any) -> int:
    """Return the operations of HTDemucs that the native engine computes on floats."""
    counted = count(network)
    return sum(
        counted[operation.get_friendly_name()][1]
        for operation in network.get_ordered_ops()
        if operation.get_friendly_name() in counted and any(map(AS_FLOATS.search, names(operation)))
    )


def by_kind(counted: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Return operations by kind of node, largest first."""
    sums: dict[str, int] = {}
    for kind, operations in counted.values():
        sums[kind] = sums.get(kind, 0) + operations
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def one_segment(model: Model) -> Any:
    """Return the published graph of `model` for one segment, before any rewriting, as an `openvino.Model`."""
    network = import_openvino().Core().read_model(model.graph)
    network.reshape({name: list(shape) for name, shape in shapes_of_segment(model).items()})
    return network


def shapes_of_segment(model: Model) -> Mapping[str, Shape]:
    """Return the shapes of the graph's inputs for one segment, by name."""
    requested: dict[str, Shape] = {}

    def load(model: Model, shapes: Mapping[str, Shape], **_: object) -> Any:
        requested.update(shapes)
        return SimpleNamespace(jobs=1)  # the only attribute that a network reads before it computes

    Network(model, model.segment, load)
    return requested
