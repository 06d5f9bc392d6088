"""Write ONNX graphs that read their weights from a file `weights.bin`. Both exporters use this module."""

from collections.abc import Sequence
from math import prod

import onnx
from onnx import TensorProto, helper

from unbraid.models.folder import WEIGHTS

OPSET = 20
ALIGNMENT = 64  # bytes; every tensor starts at a multiple, so that it can be mapped


def external_tensor(name: str, shape: Sequence[int], offset: int, length: int) -> TensorProto:
    """Return the initialiser NAME (float32) or NAME.float16.

    Its values are `length` bytes of `weights.bin` from `offset` on.
    """
    half = length == 2 * prod(shape)
    tensor = TensorProto(
        name=f"{name}.float16" if half else name,
        data_type=TensorProto.FLOAT16 if half else TensorProto.FLOAT,
        dims=shape,
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def serialise(model: onnx.ModelProto, weights: Sequence[str]) -> bytes:
    """Cast NAME.float16 to NAME for `weights` in float16, remove metadata and notes, and return the file's content."""
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    casts = [
        helper.make_node("Cast", [f"{name}.float16"], [name], to=TensorProto.FLOAT)
        for name in weights
        if name not in stored
    ]
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.value_info[:], model.metadata_props[:], graph.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content
