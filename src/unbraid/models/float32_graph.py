"""Graphs for weights that don't fit float16: the shipped graphs with their weights in float32.

Quantised weights are such. Rounded to float16, each would err by up to 2^-11.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from math import prod

from unbraid.models.graphs import GraphTemplate, TensorPlace, load_template
from unbraid.models.onnx_writer import HALF_SUFFIX, encoded_bytes, encoded_number, external_tensor
from unbraid.models.readers.onnx_wire import Fields, as_bytes, as_name

QUANTISED = "HDemucs"  # the class of the networks whose published weights may be quantised

ALIGNMENT = 64  # bytes; as in the shipped graphs
MOST_FIELDS = 1_000_000  # a shipped graph has about 60,000

# Fields of ModelProto, GraphProto, NodeProto and TensorProto: see `unbraid.models.onnx_writer`.
GRAPH, NODE, INITIALISER = 7, 1, 5
NODE_OPERATOR, NODE_INPUT, TENSOR_NAME = 4, 1, 8


@cache
def float32_template(name: str) -> GraphTemplate:
    """Return the shipped graph `name` for weights in float32. Its description is the same."""
    shipped = load_template(name)
    places = _places(shipped.tensors)
    return replace(
        shipped, name=float32_name(name), tensors=places, built=_graph(shipped.read_graph(), places)
    )


def float32_name(name: str) -> str:
    """Return the name of the graph with float32 weights."""
    return f"{name}_float32"


def _places(tensors: Iterable[TensorPlace]) -> tuple[TensorPlace, ...]:
    places, offset = [], 0
    for tensor in tensors:
        length = 4 * prod(tensor.shape)
        places.append(TensorPlace(tensor.name, tensor.shape, offset, length))
        offset += length + -length % ALIGNMENT
    return tuple(places)


def _graph(shipped: bytes, places: Iterable[TensorPlace]) -> bytes:
    """Replace the stored weights NAME.float16 by NAME, and remove the casts from one to the other."""
    stored = {place.name + HALF_SUFFIX: place for place in places}
    fields = Fields(MOST_FIELDS)
    content = b""
    for number, value in fields.of(memoryview(shipped)):
        if number == GRAPH:
            value = memoryview(_rewritten(as_bytes(value), fields, stored))
        content += encoded_number(number, value) if isinstance(value, int) else encoded_bytes(number, value)
    return content


def _rewritten(graph: memoryview, fields: Fields, stored: dict[str, TensorPlace]) -> bytes:
    parts = []
    for number, value in fields.of(graph):
        message = as_bytes(value)
        if number == NODE:
            inside = list(fields.of(message))
            operator = next(as_name(item) for field, item in inside if field == NODE_OPERATOR)
            inputs = [as_name(item) for field, item in inside if field == NODE_INPUT]
            if operator == "Cast" and inputs[0] in stored:
                continue
        elif number == INITIALISER:
            name = next(as_name(item) for field, item in fields.of(message) if field == TENSOR_NAME)
            if name in stored:
                place = stored[name]
                message = memoryview(
                    external_tensor(place.name, place.shape, place.offset, place.length, half=False)
                )
        parts.append(encoded_bytes(number, message))
    return b"".join(parts)
