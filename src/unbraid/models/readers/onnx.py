"""Read an ONNX file with networks of convolutions, without the package `onnx` and without running anything.

The file is a protobuf message, ModelProto of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. The reader accepts
one plain graph with all its weights inside the file. It refuses other files by name, functions, graphs inside nodes,
sparse and quantised tensors, and operators outside the standard set. `unbraid.models.mdx_graph` decides which operators
a network may have, and checks all sizes.
"""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path

import numpy as np

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.readers.onnx_graph import DTYPES, FLOAT, Array, Attribute, Graph, Node
from unbraid.models.readers.onnx_wire import (
    DAMAGED,
    Fields,
    as_bytes,
    as_name,
    as_number,
    as_sized,
    packed_varints,
    signed,
)
from unbraid.models.readers.packages import LARGEST
from unbraid.models.readers.tensors import MOST_DIMENSIONS, PackageError

MOST_NODES = 4096  # published networks have 180, or 750 with group normalisation
MOST_FIELDS = 200_000  # of all messages; about 3,000 in published files
LONGEST_LIST = 64  # of an attribute
MOST_INPUTS = 64  # of a node
OPSETS = range(7, 23)  # versions of the standard operators
NEWEST_FORMAT = 12  # version of the file format

STANDARD = ("", "ai.onnx")  # names of the set of standard operators

# AttributeProto.AttributeType of the kinds that the reader accepts
KINDS = {1: "float", 2: "int", 3: "bytes", 4: "tensor", 6: "floats", 7: "ints"}


def read_graph(path: Path, weights: Path | None = None) -> Graph:
    """Read a file. The arrays of its weights keep the file mapped while they are used.

    `weights`: the only other file that may have the numbers of weights. Raises ModelError for a file that is missing,
    damaged, truncated, malicious, or needs more than this reader accepts.
    """
    try:
        beside = None if weights is None else _mapped(weights)
        return _Reader("" if weights is None else weights.name, beside).model(_mapped(path))
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    except PackageError as error:
        raise error.about(path) from error


def _mapped(path: Path) -> memoryview:
    """Map a file into memory. Raises PackageError and OSError."""
    if not path.is_file():
        raise PackageError("there is no such file", "Check its name.")
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > LARGEST:
            raise PackageError("it is larger than any package of weights", "Check its name.")
        if not size:
            raise PackageError(DAMAGED)
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class _Reader:
    """Reads the messages of one file. Each method reads one kind of message, and raises PackageError."""

    def __init__(self, weights_name: str, weights: memoryview | None) -> None:
        self._fields = Fields(MOST_FIELDS)
        self._weights_name = weights_name
        self._weights = weights

    def model(self, content: memoryview) -> Graph:
        graph: Graph | None = None
        opset, version = None, 0
        for number, value in self._fields.of(content):
            match number:
                case 1:
                    version = as_number(value)
                case 7 if graph is None:
                    graph = self._graph(as_bytes(value))
                case 8:
                    opset = self._opset(as_bytes(value)) or opset
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
                domain = as_name(value)
            elif number == 2:
                version = as_number(value)
        return version if domain in STANDARD else None

    def _graph(self, message: memoryview) -> Graph:
        graph = Graph()
        for number, value in self._fields.of(message):
            match number:
                case 1:
                    if len(graph.nodes) == MOST_NODES:
                        raise PackageError("it has too many operations")
                    graph.nodes.append(self._node(as_bytes(value)))
                case 5:
                    name, array = self._tensor(as_bytes(value))
                    if not name or name in graph.weights:
                        raise PackageError("two of its weights have the same name, or one has none")
                    graph.weights[name] = array
                case 11:
                    name, shape = self._value(as_bytes(value))
                    graph.inputs[name] = shape
                case 12:
                    graph.outputs.append(self._value(as_bytes(value))[0])
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
                    inputs.append(as_name(value))
                case 2:
                    outputs.append(as_name(value))
                case 4:
                    operator = as_name(value)
                case 5:
                    name, attribute = self._attribute(as_bytes(value))
                    if name in attributes:
                        raise PackageError(DAMAGED)
                    attributes[name] = attribute
                case 7:
                    if (domain := as_name(value)) not in STANDARD:
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
                    name = as_name(value)
                case 2:
                    values["float"] = struct.unpack("<f", as_sized(value, 4))[0]
                case 3:
                    values["int"] = signed(as_number(value))
                case 4:
                    values["bytes"] = bytes(as_sized(value))
                case 5:
                    values["tensor"] = self._tensor(as_bytes(value))[1]
                case 7:
                    content = as_bytes(value)
                    if len(content) > 4 * LONGEST_LIST or len(content) % 4:
                        raise PackageError(DAMAGED)
                    floats += struct.unpack(f"<{len(content) // 4}f", content)
                case 8 if isinstance(value, int):
                    ints.append(signed(value))
                case 8:
                    ints += packed_varints(as_bytes(value), LONGEST_LIST)
                case 20:
                    kind = as_number(value)
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
        place: dict[str, str] = {}
        elsewhere = False
        for number, value in self._fields.of(message):
            match number:
                case 1 if isinstance(value, int):
                    shape.append(signed(value))
                case 1:
                    shape += packed_varints(as_bytes(value), MOST_DIMENSIONS)
                case 2:
                    kind = as_number(value)
                case 4 if numbers is None and len(as_bytes(value)) % 4 == 0:
                    numbers = np.frombuffer(as_bytes(value), "<f4")
                case 7 if numbers is None:
                    length = MOST_DIMENSIONS if isinstance(value, int) else LONGEST_LIST
                    numbers = np.array(packed_varints(as_bytes(value), length), "<i8")
                case 8:
                    name = as_name(value)
                case 9:
                    content = as_bytes(value)
                case 12:  # a note
                    pass
                case 13:
                    place |= self._entry(as_bytes(value))
                case 14:
                    elsewhere = as_number(value) != 0
                case _:
                    raise PackageError("it has a tensor that Unbraid doesn't support", "Use another model.")
        if kind not in DTYPES:
            raise PackageError(f"its numbers have an unsupported type ({kind})", "Save it as float32.")
        dtype = DTYPES[kind]
        if len(shape) > MOST_DIMENSIONS or any(size < 1 for size in shape):
            raise PackageError("a tensor has an invalid shape")
        if place or elsewhere:
            content = self._elsewhere(place)
        if content is not None:
            if len(content) % dtype.itemsize:
                raise PackageError("a tensor's shape doesn't fit its length")
            numbers = np.frombuffer(content, dtype)
        if numbers is None or numbers.dtype != dtype or numbers.size != prod(shape):
            raise PackageError("a tensor's shape doesn't fit its length")
        if kind == FLOAT and not np.isfinite(numbers).all():
            raise PackageError("a weight is infinite or NaN")
        return name, numbers.reshape(shape)

    def _entry(self, message: memoryview) -> dict[str, str]:
        """Return an entry of the description of a tensor's place in another file."""
        texts = {number: as_name(value) for number, value in self._fields.of(message)}
        return {texts.get(1, ""): texts.get(2, "")}

    def _elsewhere(self, place: dict[str, str]) -> memoryview:
        """Return a tensor's numbers in the file beside this one."""
        match place:
            case {"location": self._weights_name, "offset": offset, "length": length} if self._weights:
                if max(len(offset), len(length)) < 12 and offset.isdecimal() and length.isdecimal():
                    start, stop = int(offset), int(offset) + int(length)
                    if stop <= len(self._weights):
                        return self._weights[start:stop]
                raise PackageError("a tensor's place in its other file is invalid")
        raise PackageError("its weights are in another file", "Use a model that is one file.")

    def _value(self, message: memoryview) -> tuple[str, tuple[int | None, ...]]:
        """Return the name and the shape of an input or output."""
        name = ""
        shape: tuple[int | None, ...] = ()
        for number, value in self._fields.of(message):
            if number == 1:
                name = as_name(value)
            elif number == 2:
                for kind, tensor in self._fields.of(as_bytes(value)):
                    if kind == 1:
                        shape = self._tensor_type(as_bytes(tensor))
        if not name:
            raise PackageError(DAMAGED)
        return name, shape

    def _tensor_type(self, message: memoryview) -> tuple[int | None, ...]:
        shape: list[int | None] = []
        for number, value in self._fields.of(message):
            if number == 1 and value != FLOAT:
                raise PackageError("its input or output isn't float32", "Save it as float32.")
            if number == 2:
                for field_number, dimension in self._fields.of(as_bytes(value)):
                    if field_number == 1:
                        shape.append(self._dimension(as_bytes(dimension)))
        if len(shape) > MOST_DIMENSIONS:
            raise PackageError("a tensor has an invalid shape")
        return tuple(shape)

    def _dimension(self, message: memoryview) -> int | None:
        for number, value in self._fields.of(message):
            if number == 1 and isinstance(value, int):
                return signed(value)
        return None
