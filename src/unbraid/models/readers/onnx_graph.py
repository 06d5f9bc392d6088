"""The parts of an ONNX file that Unbraid reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# TensorProto.DataType
FLOAT, INT64 = 1, 7
DTYPES: Mapping[int, np.dtype[Any]] = {FLOAT: np.dtype("<f4"), INT64: np.dtype("<i8")}

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
