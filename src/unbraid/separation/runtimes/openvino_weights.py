"""Weights of a graph in a temporary file, so that they leave memory once the graph is compiled.

OpenVINO reads or converts weights to float32, packs a copy for its kernels, and keeps both. Here the
first copy is in a memory-mapped file, whose pages can be dropped. Each segment of a network of 448 MB then takes 0.4 GB
less. A cached compiled network saves as much, but writing it takes two copies more: 2 GB instead of 1.1 GB.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64  # bytes; every tensor starts at a multiple


class MovedWeights:
    """The weights of `network` in float32, in a file without a name in `folder`. It is closed with this object.

    `operations` is the module of OpenVINO's operations, `tensor` its tensor class. If the file can't be written, the
    weights stay in memory.
    """

    def __init__(self, network: Any, operations: ModuleType, tensor: Any, folder: Path) -> None:
        self._mapped: mmap.mmap | None = None
        conversions = list(_conversions(network))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                places = [_write(file, _values(conversion)) for conversion in conversions]
                file.flush()
                mapped = mmap.mmap(file.fileno(), 0)
        except (OSError, ValueError):  # the disk is full or read-only, or there are no such weights
            return
        for conversion, (offset, shape) in zip(conversions, places, strict=True):
            values = np.frombuffer(mapped, np.float32, prod(shape), offset).reshape(shape)
            constant = operations.constant(tensor(values, shared_memory=True), shared_memory=True)
            conversion.output(0).replace(constant.output(0))
        for vector in _vectors(network):  # they keep the file of the graph's weights mapped
            vector.output(0).replace(operations.constant(np.array(vector.data)).output(0))
        self._mapped = mapped

    def drop(self) -> None:
        """Release the memory of the weights. They are read from the file if they are needed again."""
        if self._mapped is not None and hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


def _write(file: IO[bytes], values: NDArray[Any]) -> tuple[int, tuple[int, ...]]:
    """Write a tensor in float32. Return its offset and its shape. Raises OSError."""
    file.write(bytes(-file.tell() % ALIGNMENT))
    offset = file.tell()
    file.write(np.ascontiguousarray(values, np.float32).data)
    return offset, values.shape


def _conversions(network: Any) -> Iterator[Any]:
    """Yield the matrices and kernels in float32: constants, or conversions of float16 weights."""
    for operation in network.get_ordered_ops():
        kind = operation.get_type_name()
        source = operation.input_value(0).get_node() if kind == "Convert" else operation
        if source.get_type_name() != "Constant" or len(operation.get_output_shape(0)) < 2:
            continue
        if source.get_element_type().get_type_name() == ("f16" if kind == "Convert" else "f32"):
            yield operation


def _values(weights: Any) -> NDArray[Any]:
    source = weights.input_value(0).get_node() if weights.get_type_name() == "Convert" else weights
    values: NDArray[Any] = source.data
    return values


def _vectors(network: Any) -> list[Any]:
    """Return the constants with one axis in float32."""
    return [
        operation
        for operation in network.get_ordered_ops()
        if operation.get_type_name() == "Constant"
        and operation.get_element_type().get_type_name() == "f32"
        and len(operation.get_output_shape(0)) == 1
    ]
