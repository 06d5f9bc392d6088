"""Write the graph and the weights of a checked MDX-Net in the form of a model folder.

The network gets operations around it, so that it reads and gives spectra in the layout and scale of all models
(`unbraid.models.folder`): bins above the network's are cut off and filled with zeros, the lowest bins are zero in its
input, and the compensation scales its output.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from unbraid.models.folder import GRAPH, SPECTRA, SPECTRUM, WEIGHTS
from unbraid.models.mdx_graph import INPUT, OUTPUT, PARTS, MdxGraph
from unbraid.models.mdx_settings import CHANNELS
from unbraid.models.readers.onnx_graph import FLOAT, INT64, Array, Attribute, Graph, Node

LOWEST_BINS = 3  # zero in the network's input, as in UVR

OPSET = 13
FORMAT = 8  # version of the file format that belongs to it
ALIGNMENT = 64  # bytes; every tensor starts at a multiple, so that it can be mapped
INLINE = 64  # bytes; smaller constants are in the graph

BEFORE, AFTER = 5, 4  # operations around the network


def wrapped(graph: MdxGraph, n_fft: int, compensation: float) -> Graph:
    """Return the network with the operations around it: SPECTRUM -> SPECTRA of one source."""
    all_bins = n_fft // 2 + 1
    bins, frames = graph.bins, graph.frames
    weights = dict(graph.weights)

    def numbers(name: str, values: Sequence[int]) -> str:
        weights[name] = np.array(values, "<i8")
        return name

    def factor(name: str, value: float) -> str:
        weights[name] = np.array([value], "<f4")
        return name

    def zeros_around(name: str, rank: int, axis: int, before: int, after: int) -> str:
        pads = [0] * 2 * rank
        pads[axis], pads[rank + axis] = before, after
        return numbers(name, pads)

    before = [
        Node(
            "Slice",
            (SPECTRUM, numbers("first", [LOWEST_BINS]), numbers("last", [bins]), numbers("axis", [2])),
            ("used",),
            {},
        ),
        Node("Transpose", ("used",), ("parts",), {"perm": (0, 1, 4, 2, 3)}),
        Node(
            "Reshape",
            ("parts", numbers("joined_shape", [1, PARTS, bins - LOWEST_BINS, frames])),
            ("joined",),
            {},
        ),
        # The transform of UVR isn't scaled; ours is, by 1 / sqrt(n_fft).
        Node("Mul", ("joined", factor("scale", n_fft**0.5)), ("scaled",), {}),
        Node("Pad", ("scaled", zeros_around("lowest", 4, 2, LOWEST_BINS, 0)), (INPUT,), {}),
    ]
    after = [
        Node("Mul", (OUTPUT, factor("gain", compensation * n_fft**-0.5)), ("estimate",), {}),
        Node(
            "Reshape",
            ("estimate", numbers("parts_shape", [1, 1, CHANNELS, 2, bins, frames])),
            ("estimate_parts",),
            {},
        ),
        Node("Transpose", ("estimate_parts",), ("estimate_bins",), {"perm": (0, 1, 2, 4, 5, 3)}),
        Node("Pad", ("estimate_bins", zeros_around("highest", 6, 3, 0, all_bins - bins)), (SPECTRA,), {}),
    ]
    assert (len(before), len(after)) == (BEFORE, AFTER)
    shape = (1, CHANNELS, all_bins, frames, 2)
    return Graph(OPSET, [*before, *graph.nodes, *after], weights, {SPECTRUM: shape}, [SPECTRA])


def unwrapped(graph: Graph, bins: int, frames: int) -> Graph:
    """Return the network in a graph of `wrapped`, which has to be checked again."""
    nodes = graph.nodes[BEFORE:-AFTER]
    return Graph(graph.opset, nodes, graph.weights, {INPUT: (1, PARTS, bins, frames)}, [OUTPUT])


def write_files(graph: Graph, output_shape: Sequence[int], folder: Path) -> dict[str, str]:
    """Write `graph.onnx` and `weights.bin`. Return their SHA-256 by name. Raises OSError."""
    digest = hashlib.sha256()
    end = 0
    with (folder / WEIGHTS).open("wb") as file:
        for array, offset in _places(graph):
            for content in (bytes(offset - end), np.ascontiguousarray(array).reshape(-1).view(np.uint8).data):
                file.write(content)
                digest.update(content)
            end = offset + array.nbytes
    content = encoded(graph, output_shape)
    (folder / GRAPH).write_bytes(content)
    return {GRAPH: hashlib.sha256(content).hexdigest(), WEIGHTS: digest.hexdigest()}


def _places(graph: Graph) -> Iterator[tuple[Array, int]]:
    """Yield each array in `weights.bin`, in order, and its offset in bytes."""
    end = 0
    for array in graph.weights.values():
        if array.nbytes >= INLINE:
            offset = end + -end % ALIGNMENT
            yield array, offset
            end = offset + array.nbytes


def encoded(graph: Graph, output_shape: Sequence[int]) -> bytes:
    """Return the content of `graph.onnx`."""
    offsets = {id(array): offset for array, offset in _places(graph)}
    tensors = [
        _tensor(
            name,
            array,
            _place(offsets[id(array)], array.nbytes) if id(array) in offsets else _field(9, array.tobytes()),
        )
        for name, array in graph.weights.items()
    ]
    return _model(graph, output_shape, tensors)


def _model(graph: Graph, output_shape: Sequence[int], tensors: Sequence[bytes]) -> bytes:
    ((name, shape),) = graph.inputs.items()
    content = b"".join(
        [
            *(_field(1, _node(node)) for node in graph.nodes),
            _field(2, b"mdx"),
            *(_field(5, tensor) for tensor in tensors),
            _field(11, _value(name, [size or 1 for size in shape])),
            _field(12, _value(graph.outputs[0], output_shape)),
        ]
    )
    return _field(1, FORMAT) + _field(7, content) + _field(8, _field(2, graph.opset))


def _node(node: Node) -> bytes:
    return b"".join(
        [
            *(_field(1, name.encode()) for name in node.inputs),
            *(_field(2, name.encode()) for name in node.outputs),
            _field(4, node.operator.encode()),
            *_attributes(node.attributes),
        ]
    )


def _attributes(attributes: Mapping[str, Attribute]) -> Iterator[bytes]:
    for name, value in attributes.items():
        match value:
            case int():
                content = _field(3, value) + _field(20, 2)
            case float():
                content = _key(2, 5) + struct.pack("<f", value) + _field(20, 1)
            case tuple():
                content = b"".join(_field(8, int(number)) for number in value) + _field(20, 7)
            case _:
                raise TypeError(name)
        yield _field(5, _field(1, name.encode()) + content)


def _tensor(name: str, array: Array, content: bytes) -> bytes:
    kind = FLOAT if array.dtype.kind == "f" else INT64
    sizes = b"".join(_field(1, size) for size in array.shape)
    return sizes + _field(2, kind) + _field(8, name.encode()) + content


def _place(offset: int, length: int) -> bytes:
    """Return the fields of a tensor whose numbers are in WEIGHTS."""
    entries = (("location", WEIGHTS), ("offset", str(offset)), ("length", str(length)))
    texts = (_field(1, key.encode()) + _field(2, value.encode()) for key, value in entries)
    return b"".join(_field(13, text) for text in texts) + _field(14, 1)


def _value(name: str, shape: Sequence[int]) -> bytes:
    sizes = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, FLOAT) + _field(2, sizes)))


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _key(number, 0) + _varint(value)
    return _key(number, 2) + _varint(len(value)) + value


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
