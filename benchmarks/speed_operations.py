"""How many multiplications and additions a network takes, counted in its graph.

Counted are matrix products and convolutions, a multiplication and an addition for each weight that meets a value, those
that meet the padding at the edges included: that is what kernels compute. All else (activations, normalisations,
softmax) is little beside it, and not the kind of work that a processor's peak is about.
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

# What of HTDemucs the native engine computes with floats: the waveform's encoder, other layers that see or give a few
# channels, and what is narrow in the residual branches but their first convolution.
AS_FLOATS = re.compile(
    r"/encoder\.\d/(conv/|Conv)|/tencoder\.|/dconv/layers\.\d/(?!Conv/|Conv$)|/tdecoder\.3/conv_tr/|/decoder\.3/conv_tr/"
)
# The parts of `unbraid.native.library.STAGES` by names in the graph, the first that fits.
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
    """(…, rows, inner) by (…, inner, columns): `inner` products for each value that comes out."""
    inner = left[-2] if operation.get_attributes()["transpose_a"] and len(left) > 1 else left[-1]
    return prod(out) * inner


def _convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (out channels, in channels, taps…): each value that comes out is a sum over in channels and taps."""
    return prod(out) * prod(kernel[1:])


def _group_convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (groups, out channels of one, in channels of one, taps…)."""
    return prod(out) * prod(kernel[2:])


def _transposed_convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (in channels, out channels, taps…): each value that goes in goes to all out channels, through all taps."""
    return prod(data) * prod(kernel[1:])


def _transposed_group_convolution(operation: Any, data: Shape, kernel: Shape, out: Shape) -> int:
    """Kernel (groups, in channels of one, out channels of one, taps…)."""
    return prod(data) * prod(kernel[2:])


PRODUCTS: Mapping[str, Callable[[Any, Shape, Shape, Shape], int]] = {
    "MatMul": _matmul,
    "Convolution": _convolution,
    "GroupConvolution": _group_convolution,
    "ConvolutionBackpropData": _transposed_convolution,
    "GroupConvolutionBackpropData": _transposed_group_convolution,
}
# They hold products too, and would be missed.
UNKNOWN = {"Einsum", "LSTMSequence", "GRUSequence", "RNNSequence", "LSTMCell", "GRUCell", "RNNCell",
           "TensorIterator", "Loop", "If", "DFT", "IDFT", "RDFT", "IRDFT", "DeformableConvolution",
           "ScaledDotProductAttention"}  # fmt: skip


def count(network: Any) -> dict[str, tuple[str, int]]:
    """Floating-point operations of an `openvino.Model` whose shapes are known: by name of the node, with its kind.

    Raises ValueError for a kind of node that it can't count.
    """
    counted = {}
    for operation in network.get_ordered_ops():
        kind = operation.get_type_name()
        if kind in UNKNOWN:
            raise ValueError(f"{operation.get_friendly_name()}: can't count {kind}")
        if kind in PRODUCTS:
            shapes = [list(operation.get_input_shape(0)), list(operation.get_input_shape(1)),
                      list(operation.get_output_shape(0))]  # fmt: skip
            counted[operation.get_friendly_name()] = kind, 2 * PRODUCTS[kind](operation, *shapes)
    return counted


def names(operation: Any) -> list[str]:
    """Of a node; of one without a module's name, as transposed convolutions, those of what takes what it gives."""
    name = operation.get_friendly_name()
    if name.startswith("/"):
        return [name]
    return [target.get_node().get_friendly_name() for target in operation.output(0).get_target_inputs()]


def part_of(found: Iterable[str]) -> str:
    """The part of HTDemucs that has a node, by the first of its names that says so; else "other"."""
    for name in found:
        for part, pattern in PARTS.items():
            if re.search(pattern, name):
                return part
    return "other"


def parts(network: Any) -> dict[str, int]:
    """Operations by part of HTDemucs, as `count` counts them."""
    counted, sums = count(network), dict.fromkeys(PARTS, 0)
    for operation in network.get_ordered_ops():
        if operation.get_friendly_name() in counted:
            part = part_of(names(operation))
            sums[part] = sums.get(part, 0) + counted[operation.get_friendly_name()][1]
    return sums


def as_floats(network: Any) -> int:
    """Operations of HTDemucs that the native engine doesn't compute on integers."""
    counted = count(network)
    return sum(
        counted[operation.get_friendly_name()][1]
        for operation in network.get_ordered_ops()
        if operation.get_friendly_name() in counted and any(map(AS_FLOATS.search, names(operation)))
    )


def by_kind(counted: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Sums by kind of node, the largest first."""
    sums: dict[str, int] = {}
    for kind, operations in counted.values():
        sums[kind] = sums.get(kind, 0) + operations
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def one_segment(model: Model) -> Any:
    """The graph of `model`, an `openvino.Model`, for one segment: as it is published, before any rewriting."""
    network = import_openvino().Core().read_model(model.graph)
    network.reshape({name: list(shape) for name, shape in shapes_of_segment(model).items()})
    return network


def shapes_of_segment(model: Model) -> Mapping[str, Shape]:
    """What the engine gives the graph for one segment: shapes by name."""
    asked: dict[str, Shape] = {}

    def load(model: Model, shapes: Mapping[str, Shape], **_: object) -> Any:
        asked.update(shapes)
        return SimpleNamespace(jobs=1)  # what a network asks of a runtime before it computes

    Network(model, model.segment, load)
    return asked
