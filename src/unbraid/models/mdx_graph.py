"""Check the graph of an MDX-Net, and rebuild it from known operators with known sizes.

An ONNX file from a stranger never reaches the runtime. This module computes the shape of every tensor, evaluates what
depends on no input (shapes and constants), and builds a new graph from the rest, with new names. So the runtime reads
few operators, attributes in their ranges, and a bounded amount of memory and work.

An MDX-Net has one input and one output of the same shape, (batch, 4, bins, frames): real and imaginary parts of the
left channel's spectrum, then of the right channel's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.models.readers.onnx_graph import Array, Attribute, Graph, Node
from unbraid.models.readers.tensors import PackageError

PARTS = 4  # real and imaginary parts of two channels
MOST_BINS = 1 << 14
MOST_FRAMES = 1 << 11
LARGEST_TENSOR = 1 << 27  # values, 512 MiB; 38 million in the largest published network
MOST_WORK = 1 << 43  # multiplications for one segment, 9e12; the largest published network has 4e11
MOST_MEMORY = (
    1 << 31
)  # bytes of tensors that are needed at the same time; 8e8 in the largest published network
MOST_WEIGHTS = 1 << 30  # bytes; published files have 3e7 to 7e7
LARGEST_CONSTANT = 1 << 12  # values of a constant that this module computes

INPUT, OUTPUT = "input", "output"  # names in the new graph
OTHER_MODEL = "Use an MDX-Net of UVR or KUIELab."

Shape = tuple[int, ...]


class _UnfitError(PackageError):
    """The graph is not one of an MDX-Net."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, OTHER_MODEL)


@dataclass(slots=True)
class MdxGraph:
    """A checked network: operations with new names, and its weights in float32 or int64."""

    bins: int
    frames: int
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    work: int = 0
    """Multiplications for one segment."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the new graph, or a constant that isn't in it yet."""

    shape: Shape
    name: str = ""
    constant: Array | None = None


def check_mdx_graph(graph: Graph) -> MdxGraph:
    """Return the checked network. Raises PackageError if it isn't an MDX-Net."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise _UnfitError("it has more than one input or output")
    ((name, shape),) = graph.inputs.items()
    match shape:
        case (_, 4, int(bins), int(frames)) if 0 < bins <= MOST_BINS and 1 < frames <= MOST_FRAMES:
            pass
        case _:
            sizes = " x ".join("?" if size is None else str(size) for size in shape)
            raise _UnfitError(f"its input is {sizes}, unlike that of an MDX-Net (4 x bins x frames)")
    return _Builder(graph, name, bins, frames).build()


class _Builder:
    def __init__(self, graph: Graph, name: str, bins: int, frames: int) -> None:
        self._graph = graph
        self._result = MdxGraph(bins, frames)
        self._names: dict[int, str] = {}
        """Name of each weight by the identity of its array, which the result keeps."""
        self._weights_bytes = 0
        self._tensors: dict[str, _Tensor] = {
            weight: _Tensor(array.shape, constant=array) for weight, array in graph.weights.items()
        }
        self._tensors[name] = _Tensor((1, PARTS, bins, frames), INPUT)

    def build(self) -> MdxGraph:
        for node in self._graph.nodes:
            if len(node.outputs) != 1 or not node.outputs[0] or node.outputs[0] in self._tensors:
                raise _UnfitError(f"its {node.operator!r:.60} has an unexpected output")
            operator = _OPERATORS.get(node.operator)
            if operator is None:
                raise _UnfitError(f"Unbraid doesn't support its operator {node.operator!r:.60}")
            if not set(node.attributes) <= operator.attributes:
                extra = min(set(node.attributes) - operator.attributes)
                raise _UnfitError(f"its {node.operator} has an unknown attribute {extra!r:.60}")
            tensors = [self._find(name) for name in node.inputs if name]
            if len(tensors) not in operator.inputs or len(tensors) < len(node.inputs):
                raise _UnfitError(f"its {node.operator} has {len(node.inputs)} inputs")
            self._tensors[node.outputs[0]] = operator.apply(self, tensors, node.attributes)
        last = self._find(self._graph.outputs[0])
        first = (1, PARTS, self._result.bins, self._result.frames)
        if last.shape != first or not self._result.nodes or last.name != self._result.nodes[-1].outputs[0]:
            raise _UnfitError("its output differs in size from its input, unlike that of an MDX-Net")
        self._check_memory()
        final = self._result.nodes[-1]
        self._result.nodes[-1] = Node(final.operator, final.inputs, (OUTPUT,), final.attributes)
        return self._result

    def _check_memory(self) -> None:
        """Raise PackageError if the tensors that later operations still read take too much memory."""
        sizes = {
            tensor.name: 4 * prod(tensor.shape)
            for tensor in self._tensors.values()
            if tensor.constant is None
        }
        last_reader = {name: k for k, node in enumerate(self._result.nodes) for name in node.inputs}
        needed = sizes[INPUT]
        for k, node in enumerate(self._result.nodes):
            needed += sizes[node.outputs[0]]
            if needed > MOST_MEMORY:
                raise _UnfitError("it takes more memory than any MDX-Net")
            done = {name for name in node.inputs if name in sizes and last_reader[name] == k}
            needed -= sum(sizes[name] for name in done)

    def _find(self, name: str) -> _Tensor:
        if name not in self._tensors:
            raise _UnfitError(f"its operations aren't in order, or {name!r:.60} is missing")
        return self._tensors[name]

    def add(
        self,
        operator: str,
        tensors: Sequence[_Tensor],
        shape: Shape,
        attributes: Mapping[str, Attribute],
        work: int = 0,
    ) -> _Tensor:
        """Append an operation, and return its result of that `shape`."""
        if any(size < 1 for size in shape) or prod(shape) > LARGEST_TENSOR:
            raise _UnfitError(f"the result of its {operator} is empty or too large")
        self._result.work += work
        if self._result.work > MOST_WORK:
            raise _UnfitError("it takes more work than any MDX-Net")
        name = f"t{len(self._result.nodes)}"
        inputs = tuple(self._name(tensor) for tensor in tensors)
        self._result.nodes.append(Node(operator, inputs, (name,), attributes))
        return _Tensor(shape, name)

    def _name(self, tensor: _Tensor) -> str:
        """Return the name of a tensor in the new graph. A constant becomes one of its weights."""
        if tensor.constant is None:
            return tensor.name
        known = self._names.get(id(tensor.constant))
        if known is not None:
            return known
        # A weight in several shapes is written several times.
        self._weights_bytes += tensor.constant.nbytes
        if self._weights_bytes > MOST_WEIGHTS:
            raise _UnfitError("it has more weights than any MDX-Net")
        name = self._names[id(tensor.constant)] = f"w{len(self._names)}"
        self._result.weights[name] = tensor.constant
        return name


def _float_weight(tensor: _Tensor, shape: Shape | None, operator: str) -> _Tensor:
    """Check a weight of that shape (None: any)."""
    array = tensor.constant
    if array is None or array.dtype.kind != "f" or shape not in (None, tensor.shape):
        raise _UnfitError(f"a weight of its {operator} is missing or has an unexpected size")
    return tensor


def _integers(tensor: _Tensor, operator: str) -> list[int]:
    """Return the values of a constant of integers."""
    array = tensor.constant
    if array is None or array.dtype.kind != "i" or array.size > LARGEST_CONSTANT:
        raise _UnfitError(f"sizes of its {operator} aren't constant")
    return [int(value) for value in array.reshape(-1)]


def _whole(attributes: Mapping[str, Attribute], name: str, default: int) -> int:
    value = attributes.get(name, default)
    if not isinstance(value, int):
        raise _UnfitError(f"the attribute {name} isn't a whole number")
    return value


def _wholes(attributes: Mapping[str, Attribute], name: str, default: Sequence[int]) -> tuple[int, ...]:
    value = attributes.get(name, tuple(default))
    if not isinstance(value, tuple) or len(value) != len(default) or not all(type(v) is int for v in value):
        raise _UnfitError(f"the attribute {name} isn't a list of {len(default)} whole numbers")
    return tuple(int(v) for v in value)


def _computed(tensor: _Tensor, operator: str) -> _Tensor:
    """Check that a tensor depends on the input."""
    if tensor.constant is not None:
        raise _UnfitError(f"its {operator} doesn't depend on the input")
    return tensor


def _window(attributes: Mapping[str, Attribute], weight: Shape) -> dict[str, tuple[int, ...]]:
    """Return strides, pads, dilations and kernel of a convolution over two dimensions."""
    kernel = weight[2:]
    window = {
        "kernel_shape": _wholes(attributes, "kernel_shape", kernel),
        "strides": _wholes(attributes, "strides", (1, 1)),
        "pads": _wholes(attributes, "pads", (0, 0, 0, 0)),
        "dilations": _wholes(attributes, "dilations", (1, 1)),
    }
    if window["kernel_shape"] != kernel or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise _UnfitError("a convolution has an unexpected window")
    if (
        min(*window["strides"], *window["dilations"]) < 1
        or not 0 <= min(window["pads"]) <= max(window["pads"]) < 64
    ):
        raise _UnfitError("a convolution has an unexpected window")
    return window


def _bias(tensors: Sequence[_Tensor], channels: int, operator: str) -> None:
    if len(tensors) == 3:
        _float_weight(tensors[2], (channels,), operator)


def _conv(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    x, weight = _computed(tensors[0], "Conv"), _float_weight(tensors[1], None, "Conv")
    group = _whole(attributes, "group", 1)
    if len(x.shape) != 4 or len(weight.shape) != 4 or group < 1:
        raise _UnfitError("a convolution isn't over two dimensions")
    channels = weight.shape[0]
    if x.shape[1] != weight.shape[1] * group or channels % group:
        raise _UnfitError("a convolution has an unexpected number of channels")
    _bias(tensors, channels, "Conv")
    window = _window(attributes, weight.shape)
    pads = window["pads"]
    sizes = tuple(
        (size + pads[k] + pads[k + 2] - window["dilations"][k] * (window["kernel_shape"][k] - 1) - 1)
        // window["strides"][k]
        + 1
        for k, size in enumerate(x.shape[2:])
    )
    shape = (x.shape[0], channels, *sizes)
    work = prod(shape) * prod(weight.shape[1:])
    return builder.add("Conv", tensors, shape, {**window, "group": group}, work)


def _conv_transpose(
    builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]
) -> _Tensor:
    x = _computed(tensors[0], "ConvTranspose")
    weight = _float_weight(tensors[1], None, "ConvTranspose")
    if len(x.shape) != 4 or len(weight.shape) != 4 or _whole(attributes, "group", 1) != 1:
        raise _UnfitError("a transposed convolution isn't over two dimensions")
    if x.shape[1] != weight.shape[0] or any(_wholes(attributes, "output_padding", (0, 0))):
        raise _UnfitError("a transposed convolution has an unexpected size")
    _bias(tensors, weight.shape[1], "ConvTranspose")
    window = _window(attributes, weight.shape)
    pads = window["pads"]
    sizes = tuple(
        window["strides"][k] * (size - 1)
        + window["dilations"][k] * (window["kernel_shape"][k] - 1)
        + 1
        - pads[k]
        - pads[k + 2]
        for k, size in enumerate(x.shape[2:])
    )
    shape = (x.shape[0], weight.shape[1], *sizes)
    work = prod(x.shape) * prod(weight.shape[1:])
    return builder.add("ConvTranspose", tensors, shape, window, work)


def _normalisation(operator: str) -> Callable[..., _Tensor]:
    def apply(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
        x = _computed(tensors[0], operator)
        if (
            len(x.shape) < 3
            or _whole(attributes, "training_mode", 0)
            or _whole(attributes, "spatial", 1) != 1
        ):
            raise _UnfitError(f"its {operator} is for training")
        for weight in tensors[1:]:
            _float_weight(weight, (x.shape[1],), operator)
        epsilon = attributes.get("epsilon", 1e-5)
        if not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise _UnfitError(f"its {operator} has an unexpected epsilon")
        return builder.add(operator, tensors, x.shape, {"epsilon": epsilon}, prod(x.shape))

    return apply


def _elementwise(operator: str) -> Callable[..., _Tensor]:
    def apply(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
        if all(tensor.constant is not None for tensor in tensors):
            raise _UnfitError(f"its {operator} doesn't depend on the input")
        if any(t.constant is not None and t.constant.dtype.kind != "f" for t in tensors):
            raise _UnfitError(f"its {operator} has whole numbers")
        try:
            shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
        except ValueError as error:
            raise _UnfitError(f"the inputs of its {operator} have different sizes") from error
        return builder.add(operator, tensors, shape, {}, prod(shape))

    return apply


def _matmul(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    x, weight = _computed(tensors[0], "MatMul"), _float_weight(tensors[1], None, "MatMul")
    if len(weight.shape) != 2 or len(x.shape) < 2 or x.shape[-1] != weight.shape[0]:
        raise _UnfitError("the inputs of its MatMul have different sizes")
    shape = (*x.shape[:-1], weight.shape[1])
    return builder.add("MatMul", tensors, shape, {}, prod(shape) * weight.shape[0])


def _transpose(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    x = _computed(tensors[0], "Transpose")
    axes = _wholes(attributes, "perm", range(len(x.shape))[::-1])
    if sorted(axes) != list(range(len(x.shape))):
        raise _UnfitError("its Transpose has unexpected axes")
    return builder.add("Transpose", tensors, tuple(x.shape[axis] for axis in axes), {"perm": axes})


def _reshape(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    x, wanted = tensors[0], _integers(tensors[1], "Reshape")
    if _whole(attributes, "allowzero", 0) or len(wanted) > 6 or wanted.count(-1) > 1:
        raise _UnfitError("its Reshape has an unexpected size")
    sizes = [x.shape[k] if size == 0 and k < len(x.shape) else size for k, size in enumerate(wanted)]
    if -1 in sizes:
        known = -prod(sizes)
        sizes[sizes.index(-1)] = prod(x.shape) // known if known > 0 else 0
    if any(size < 1 for size in sizes) or prod(sizes) != prod(x.shape):
        raise _UnfitError("its Reshape has an unexpected size")
    shape = tuple(sizes)
    if x.constant is not None:
        return _Tensor(shape, constant=x.constant.reshape(shape))
    sizes_of = _constant(np.array(shape, "<i8"))
    return builder.add("Reshape", [x, sizes_of], shape, {})


def _relu(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    return builder.add("Relu", tensors, _computed(tensors[0], "Relu").shape, {})


def _constant(array: NDArray[Any]) -> _Tensor:
    return _Tensor(array.shape, constant=array)


def _constant_node(
    builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]
) -> _Tensor:
    value = attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise _UnfitError("its Constant has no value")
    return _constant(value)


def _identity(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    return tensors[0]


def _shape(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    return _constant(np.array(tensors[0].shape, "<i8"))


def _unsqueeze(builder: _Builder, tensors: Sequence[_Tensor], attributes: Mapping[str, Attribute]) -> _Tensor:
    array = tensors[0].constant
    axes = _integers(tensors[1], "Unsqueeze") if len(tensors) == 2 else attributes.get("axes", ())
    if array is None or not isinstance(axes, list | tuple) or not 1 <= len(axes) <= 4:
        raise _UnfitError("its Unsqueeze isn't of a weight")
    try:
        if any(int(axis) != axis for axis in axes):
            raise ValueError("an axis is no whole number")
        return _constant(np.expand_dims(array, tuple(int(axis) for axis in axes)))
    except (ValueError, OverflowError, TypeError) as error:  # axes out of range, or repeated
        raise _UnfitError("its Unsqueeze has unexpected axes") from error


@dataclass(frozen=True, slots=True)
class _Operator:
    """How an operator is checked."""

    apply: Callable[[_Builder, Sequence[_Tensor], Mapping[str, Attribute]], _Tensor]
    """Checks a node, and returns its result."""
    inputs: tuple[int, ...]
    """Possible numbers of inputs."""
    attributes: frozenset[str] = frozenset()


_WINDOW = frozenset({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"})
_BATCH = frozenset({"epsilon", "momentum", "spatial", "training_mode"})  # momentum is for training

# Those that PyTorch writes for the layers of an MDX-Net, also with group normalisation.
_OPERATORS: Mapping[str, _Operator] = {
    "Add": _Operator(_elementwise("Add"), (2,)),
    "BatchNormalization": _Operator(_normalisation("BatchNormalization"), (5,), _BATCH),
    "Constant": _Operator(_constant_node, (0,), frozenset({"value"})),
    "Conv": _Operator(_conv, (2, 3), _WINDOW),
    "ConvTranspose": _Operator(_conv_transpose, (2, 3), _WINDOW | {"output_padding"}),
    "Identity": _Operator(_identity, (1,)),
    "InstanceNormalization": _Operator(_normalisation("InstanceNormalization"), (3,), frozenset({"epsilon"})),
    "MatMul": _Operator(_matmul, (2,)),
    "Mul": _Operator(_elementwise("Mul"), (2,)),
    "Relu": _Operator(_relu, (1,)),
    "Reshape": _Operator(_reshape, (2,), frozenset({"allowzero"})),
    "Shape": _Operator(_shape, (1,)),
    "Transpose": _Operator(_transpose, (1,), frozenset({"perm"})),
    "Unsqueeze": _Operator(_unsqueeze, (1, 2), frozenset({"axes"})),
}
