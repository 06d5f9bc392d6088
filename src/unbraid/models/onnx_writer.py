"""Write an ONNX graph without the package `onnx`, node by node.

Only the parts of the format that our graphs need (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, messages
ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto and ValueInfoProto). Numbers in the comments of
`_Field` are the fields' numbers in that file. The same calls always write the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.models.folder import WEIGHTS

OPSET = 20
IR_VERSION = 9

FLOAT, INT64, FLOAT16 = 1, 7, 10  # TensorProto.DataType
EXTERNAL = 1  # TensorProto.DataLocation
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 2, 7  # AttributeProto.AttributeType

HALF_SUFFIX = ".float16"  # of the names of weights in float16, before they are cast

_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}


class OnnxGraph:
    """A graph under construction. Values are referred to by their names."""

    def __init__(self, weights: str) -> None:
        """`weights`: name of the file beside the graph that holds its weights."""
        self._weights = weights
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._nodes: list[bytes] = []
        self._initialisers: list[bytes] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._numbered = 0

    def input(self, name: str, shape: Sequence[int], *, half: bool = False) -> str:
        """Declare an input, and return the name of its values in float32. `half`: it is in float16, and cast."""
        self._inputs.append(_value_info(name, shape, FLOAT16 if half else FLOAT))
        return self.add("Cast", name, to=FLOAT) if half else name

    def output(self, name: str, value: str, shape: Sequence[int]) -> None:
        """Declare `value` as the float32 output `name`."""
        self._nodes.append(_node("Identity", [value], [name], {}))
        self._outputs.append(_value_info(name, shape))

    def constant(self, values: NDArray[Any] | Sequence[int] | float) -> str:
        """Return the name of a constant, float32 or int64. Equal constants are stored once."""
        array = np.asarray(values)
        array = np.ascontiguousarray(array, np.int64 if array.dtype.kind == "i" else np.float32)
        if np.ndim(values) == 0:
            array = array.reshape(())
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = name = self._new_name("c")
            self._initialisers.append(
                b"".join(_numbers(1, array.shape))
                + encoded_number(2, _TYPES[array.dtype])
                + _text(8, name)
                + encoded_bytes(9, array.astype(array.dtype.newbyteorder("<")).tobytes())
            )
        return self._constants[key]

    def weight(self, name: str, shape: Sequence[int], offset: int, length: int, *, half: bool) -> str:
        """Return the float32 tensor `name`: `length` bytes of the file of weights from `offset` on.

        `half`: it is stored in float16, and cast.
        """
        stored = name + HALF_SUFFIX if half else name
        self._initialisers.append(external_tensor(stored, shape, offset, length, self._weights, half=half))
        if half:
            self._nodes.append(_node("Cast", [stored], [name], {"to": FLOAT}))
        return name

    def add(self, operator: str, *inputs: str, **attributes: int | float | Sequence[int]) -> str:
        """Add a node with one output, and return the output's name."""
        (output,) = self.add_split(operator, inputs, 1, **attributes)
        return output

    def add_split(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: int | float | Sequence[int]
    ) -> list[str]:
        """Add a node with several outputs, and return their names."""
        names = [self._new_name("v") for _ in range(outputs)]
        self._nodes.append(_node(operator, inputs, names, attributes))
        return names

    def content(self) -> bytes:
        """Return the content of the file."""
        graph = (
            b"".join(encoded_bytes(1, node) for node in self._nodes)
            + _text(2, "unbraid")
            + b"".join(encoded_bytes(5, tensor) for tensor in self._initialisers)
            + b"".join(encoded_bytes(11, value) for value in self._inputs)
            + b"".join(encoded_bytes(12, value) for value in self._outputs)
        )
        return (
            encoded_number(1, IR_VERSION)
            + _text(2, "unbraid")
            + encoded_bytes(7, graph)
            + encoded_bytes(8, encoded_number(2, OPSET))
        )

    def _new_name(self, kind: str) -> str:
        self._numbered += 1
        return f"{kind}{self._numbered}"


def external_tensor(
    name: str, shape: Sequence[int], offset: int, length: int, file: str = WEIGHTS, *, half: bool
) -> bytes:
    """Return the message of a stored weight: `length` bytes of `file` from `offset` on."""
    places = (("location", file), ("offset", str(offset)), ("length", str(length)))
    return (
        b"".join(_numbers(1, shape))
        + encoded_number(2, FLOAT16 if half else FLOAT)
        + _text(8, name)
        + b"".join(encoded_bytes(13, _text(1, key) + _text(2, value)) for key, value in places)
        + encoded_number(14, EXTERNAL)
    )


def _node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attributes: dict[str, int | float | Sequence[int]],
) -> bytes:
    return (
        b"".join(_text(1, name) for name in inputs)
        + b"".join(_text(2, name) for name in outputs)
        + _text(4, operator)
        + b"".join(encoded_bytes(5, _attribute(name, value)) for name, value in attributes.items())
    )


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + encoded_number(3, value) + encoded_number(20, ATTRIBUTE_INT)
    if isinstance(value, float):
        return _text(1, name) + _key(2, 5) + np.float32(value).tobytes() + encoded_number(20, ATTRIBUTE_FLOAT)
    return _text(1, name) + b"".join(_numbers(8, value)) + encoded_number(20, ATTRIBUTE_INTS)


def _value_info(name: str, shape: Sequence[int], kind: int = FLOAT) -> bytes:
    dimensions = b"".join(encoded_bytes(1, encoded_number(1, size)) for size in shape)
    tensor = encoded_number(1, kind) + encoded_bytes(2, dimensions)
    return _text(1, name) + encoded_bytes(2, encoded_bytes(1, tensor))


# Fields in protobuf: https://protobuf.dev/programming-guides/encoding/


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers take ten bytes
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def encoded_number(field: int, value: int) -> bytes:
    """Return a field of an integer."""
    return _key(field, 0) + _varint(value)


def _numbers(field: int, values: Sequence[int]) -> list[bytes]:
    return [encoded_number(field, int(value)) for value in values]


def encoded_bytes(field: int, content: bytes | memoryview) -> bytes:
    """Return a field of bytes."""
    return _key(field, 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return encoded_bytes(field, text.encode())
