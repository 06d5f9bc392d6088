"""Read an ONNX file with networks of convolutions, without the package `onnx` and without running anything.

The file is a protobuf message, ModelProto of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. The reader accepts
one plain graph with all its weights inside the file. It refuses other files by name, functions, graphs inside nodes,
sparse and quantised tensors, and operators outside the standard set. `unbraid.models.mdx_graph` decides which operators
a network may have, and checks all sizes.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.readers.onnx_wire import DAMAGED, Fields, Value, packed_varints, signed
from unbraid.models.readers.packages import LARGEST
from unbraid.models.readers.tensors import MOST_DIMENSIONS, PackageError

MOST_NODES = 4096  # published networks have 180, or 750 with group normalisation
MOST_FIELDS = 200_000  # of all messages; about 3,000 in published files
LONGEST_NAME = 256  # bytes
LONGEST_LIST = 64  # of an attribute
MOST_INPUTS = 64  # of a node
OPSETS = range(7, 23)  # versions of the standard operators
NEWEST_FORMAT = 12  # version of the file format

STANDARD = ("", "ai.onnx")  # names of the set of standard operators

# TensorProto.DataType
FLOAT, INT64 = 1, 7
DTYPES: Mapping[int, np.dtype[Any]] = {FLOAT: np.dtype("<f4"), INT64: np.dtype("<i8")}

# AttributeProto.AttributeType of the kinds that the reader accepts
KINDS = {1: "float", 2: "int", 3: "bytes", 4: "tensor", 6: "floats", 7: "ints"}

Array = NDArray[Any]
Attribute = int | float | bytes | tuple[int, ...] | tuple[float, ...] | Array


@dataclass(frozen=True, slots=True)
class Node:
    """An operation of a graph."""

    operator: str
    inputs: tuple[str, ...]
    """Names of tensors; empty for an input that is left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(slots=True)
class Graph:
    """A network: its operations in the order of computation, and its weights."""

    opset: int = 0
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    """float32 or int64. The arrays map the file."""
    inputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    """Shapes by name; None: any size. Without weights."""
    outputs: list[str] = field(default_factory=list)


def read_graph(path: Path) -> Graph:
    """Read a file. The arrays of its weights keep the file mapped while they are used.

    Raises ModelError for a file that is missing, damaged, truncated, malicious, or needs more than this reader accepts.
    """
    try:
        if not path.is_file():
            raise PackageError("there is no such file", "Check its name.")
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > LARGEST:
                raise PackageError("it is larger than any package of weights", "Check its name.")
            if not size:
                raise PackageError(DAMAGED)
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return _Reader().model(content)
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    except PackageError as error:
        raise error.about(path) from error


class _Reader:
    """Reads the messages of one file. Each method reads one kind of message, and raises PackageError."""

    def __init__(self) -> None:
        self._fields = Fields(MOST_FIELDS)

    def model(self, content: memoryview) -> Graph:
        graph: Graph | None = None
        opset, version = None, 0
        for number, value in self._fields.of(content):
            match number:
                case 1:
                    version = _number(value)
                case 7 if graph is None:
                    graph = self._graph(_bytes(value))
                case 8:
                    opset = self._opset(_bytes(value)) or opset
                case 2 | 3 | 4 | 5 | 6 | 14:  # names and notes
                    pass
                case 20 | 25:
                    raise PackageError("it has functions or training steps", "Use another model.")
                case _:
                    raise PackageError(DAMAGED)
        if graph is None or opset is None or version < 1:
            raise PackageError(DAMAGED)
        if opset not in OPSETS or version > NEWEST_FORMAT:
            raise PackageError(
                f"its operators have version {opset}, and Unbraid reads {OPSETS.start} to {OPSETS.stop - 1}",
                "Export it again.",
            )
        graph.opset = opset
        return graph

    def _opset(self, message: memoryview) -> int | None:
        """Return the version of the standard operators, or None for another set."""
        domain, version = "", 0
        for number, value in self._fields.of(message):
            if number == 1:
                domain = _name(value)
            elif number == 2:
                version = _number(value)
        return version if domain in STANDARD else None

    def _graph(self, message: memoryview) -> Graph:
        graph = Graph()
        for number, value in self._fields.of(message):
            match number:
                case 1:
                    if len(graph.nodes) == MOST_NODES:
                        raise PackageError("it has too many operations")
                    graph.nodes.append(self._node(_bytes(value)))
                case 5:
                    name, array = self._tensor(_bytes(value))
                    if not name or name in graph.weights:
                        raise PackageError("two of its weights have the same name, or one has none")
                    graph.weights[name] = array
                case 11:
                    name, shape = self._value(_bytes(value))
                    graph.inputs[name] = shape
                case 12:
                    graph.outputs.append(self._value(_bytes(value))[0])
                case 2 | 10 | 13 | 16:  # names, notes, and shapes that `mdx_graph` computes itself
                    pass
                case 14 | 15:
                    raise PackageError("its weights are quantised or sparse", "Use a model that isn't.")
                case _:
                    raise PackageError(DAMAGED)
        # Files for the first versions of ONNX list their weights as inputs too.
        graph.inputs = {name: shape for name, shape in graph.inputs.items() if name not in graph.weights}
        return graph

    def _node(self, message: memoryview) -> Node:
        inputs: list[str] = []
        outputs: list[str] = []
        operator = ""
        attributes: dict[str, Attribute] = {}
        for number, value in self._fields.of(message):
            match number:
                case 1:
                    inputs.append(_name(value))
                case 2:
                    outputs.append(_name(value))
                case 4:
                    operator = _name(value)
                case 5:
                    name, attribute = self._attribute(_bytes(value))
                    if name in attributes:
                        raise PackageError(DAMAGED)
                    attributes[name] = attribute
                case 7:
                    if (domain := _name(value)) not in STANDARD:
                        raise PackageError(
                            f"Unbraid doesn't support its operators ({domain!r:.60})", "Use another model."
                        )
                case 3 | 6 | 9:  # names and notes
                    pass
                case _:
                    raise PackageError(DAMAGED)
        if not operator or max(len(inputs), len(outputs)) > MOST_INPUTS:
            raise PackageError(DAMAGED)
        return Node(operator, tuple(inputs), tuple(outputs), attributes)

    def _attribute(self, message: memoryview) -> tuple[str, Attribute]:
        name, kind = "", 0
        values: dict[str, Attribute] = {}
        ints: list[int] = []
        floats: list[float] = []
        for number, value in self._fields.of(message):
            match number:
                case 1:
                    name = _name(value)
                case 2:
                    values["float"] = struct.unpack("<f", _sized(value, 4))[0]
                case 3:
                    values["int"] = signed(_number(value))
                case 4:
                    values["bytes"] = bytes(_sized(value, None))
                case 5:
                    values["tensor"] = self._tensor(_bytes(value))[1]
                case 7:
                    content = _bytes(value)
                    if len(content) > 4 * LONGEST_LIST or len(content) % 4:
                        raise PackageError(DAMAGED)
                    floats += struct.unpack(f"<{len(content) // 4}f", content)
                case 8 if isinstance(value, int):
                    ints.append(signed(value))
                case 8:
                    ints += packed_varints(_bytes(value), LONGEST_LIST)
                case 20:
                    kind = _number(value)
                case 6 | 11:
                    raise PackageError("it has graphs inside its operations", "Use another model.")
                case 13:  # a note
                    pass
                case _:
                    raise PackageError(
                        "it has an attribute that Unbraid doesn't support", "Use another model."
                    )
        if len(ints) > LONGEST_LIST or len(floats) > LONGEST_LIST or kind not in KINDS or not name:
            raise PackageError(DAMAGED)
        values |= {"ints": tuple(ints), "floats": tuple(floats)}
        # Protobuf leaves out zeros and empty texts.
        empty: dict[str, Attribute] = {"float": 0.0, "int": 0, "bytes": b""}
        values = empty | values
        if KINDS[kind] not in values:
            raise PackageError(DAMAGED)
        return name, values[KINDS[kind]]

    def _tensor(self, message: memoryview) -> tuple[str, Array]:
        name, kind = "", 0
        shape: list[int] = []
        content: memoryview | None = None
        numbers: Array | None = None
        for number, value in self._fields.of(message):
            match number:
                case 1 if isinstance(value, int):
                    shape.append(signed(value))
                case 1:
                    shape += packed_varints(_bytes(value), MOST_DIMENSIONS)
                case 2:
                    kind = _number(value)
                case 4 if numbers is None and len(_bytes(value)) % 4 == 0:
                    numbers = np.frombuffer(_bytes(value), "<f4")
                case 7 if numbers is None:
                    length = MOST_DIMENSIONS if isinstance(value, int) else LONGEST_LIST
                    numbers = np.array(packed_varints(_bytes(value), length), "<i8")
                case 8:
                    name = _name(value)
                case 9:
                    content = _bytes(value)
                case 12:  # a note
                    pass
                case 13:
                    raise PackageError("its weights are in another file", "Use a model that is one file.")
                case 14 if _number(value) == 0:
                    pass
                case 14:
                    raise PackageError("its weights are in another file", "Use a model that is one file.")
                case _:
                    raise PackageError("it has a tensor that Unbraid doesn't support", "Use another model.")
        if kind not in DTYPES:
            raise PackageError(f"its numbers have an unsupported type ({kind})", "Save it as float32.")
        dtype = DTYPES[kind]
        if len(shape) > MOST_DIMENSIONS or any(size < 1 for size in shape):
            raise PackageError("a tensor has an invalid shape")
        if content is not None:
            if len(content) % dtype.itemsize:
                raise PackageError("a tensor's shape doesn't fit its length")
            numbers = np.frombuffer(content, dtype)
        if numbers is None or numbers.dtype != dtype or numbers.size != _product(shape):
            raise PackageError("a tensor's shape doesn't fit its length")
        if kind == FLOAT and not np.isfinite(numbers).all():
            raise PackageError("a weight is infinite or NaN")
        return name, numbers.reshape(shape)

    def _value(self, message: memoryview) -> tuple[str, tuple[int | None, ...]]:
        """Return the name and the shape of an input or output."""
        name = ""
        shape: tuple[int | None, ...] = ()
        for number, value in self._fields.of(message):
            if number == 1:
                name = _name(value)
            elif number == 2:
                for kind, tensor in self._fields.of(_bytes(value)):
                    if kind == 1:
                        shape = self._tensor_type(_bytes(tensor))
        if not name:
            raise PackageError(DAMAGED)
        return name, shape

    def _tensor_type(self, message: memoryview) -> tuple[int | None, ...]:
        shape: list[int | None] = []
        for number, value in self._fields.of(message):
            if number == 1 and value != FLOAT:
                raise PackageError("its input or output isn't float32", "Save it as float32.")
            if number == 2:
                for field_number, dimension in self._fields.of(_bytes(value)):
                    if field_number == 1:
                        shape.append(self._dimension(_bytes(dimension)))
        if len(shape) > MOST_DIMENSIONS:
            raise PackageError("a tensor has an invalid shape")
        return tuple(shape)

    def _dimension(self, message: memoryview) -> int | None:
        for number, value in self._fields.of(message):
            if number == 1 and isinstance(value, int):
                return signed(value)
        return None


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise PackageError(DAMAGED)
    return value


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise PackageError(DAMAGED)
    return value


def _sized(value: Value, length: int | None) -> memoryview:
    """Return the bytes if they have that length, or up to LONGEST_NAME for None."""
    content = _bytes(value)
    if len(content) != length if length is not None else len(content) > LONGEST_NAME:
        raise PackageError(DAMAGED)
    return content


def _name(value: Value) -> str:
    try:
        return bytes(_sized(value, None)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PackageError(DAMAGED) from error


def _product(shape: list[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
