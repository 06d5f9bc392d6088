"""Shipped graphs without weights, and the choice of a graph for published weights.

Each graph is a pair of files in `graphs/`, written by `unbraid.networks.export_graphs`. `NAME.onnx` reads its
parameters in float16 or float32 from a file `weights.bin` beside it. `NAME.json` has the place of each published tensor
in that file, and the constructor arguments of the network. Converting weights only copies and rounds bytes, so it needs
neither PyTorch nor the package `onnx`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.models.architectures import BY_CLASS, Architecture
from unbraid.models.folder import Model

FOLDER = Path(__file__).with_name("graphs")

# Arguments that don't change the graph. They go into the description.
_LABELS = ("sources", "segment", "hybrid_old")

LONGEST_SEGMENT_S = 3600  # the longest published segment has 44 s


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Place of a published tensor in `weights.bin`: little-endian, in C order."""

    name: str
    shape: tuple[int, ...]
    offset: int
    """In bytes. The gaps between tensors are zero."""
    length: int
    """In bytes."""

    @property
    def float16(self) -> bool:
        """Whether the tensor is stored in float16, not in float32."""
        return self.length == 2 * prod(self.shape)


ALIGNMENT = 64  # bytes; every tensor of a built graph starts at a multiple in `weights.bin`


def place_tensors(shapes: Mapping[str, tuple[int, ...]], *, half: bool = True) -> tuple[TensorPlace, ...]:
    """Return the places of tensors in `weights.bin`, one after the other.

    With `half`, matrices and kernels are stored in float16. Vectors stay in float32: they take no space, and norms act
    on every number.
    """
    places, offset = [], 0
    for name, shape in shapes.items():
        length = prod(shape) * (2 if half and len(shape) > 1 else 4)
        places.append(TensorPlace(name, shape, offset, length))
        offset += length + -length % ALIGNMENT
    return tuple(places)


@dataclass(frozen=True, slots=True)
class GraphTemplate:
    """A graph without its weights."""

    name: str
    description: Mapping[str, Any]
    """Content of `model.json`, without name, version, licence and checksums."""
    class_name: str
    arguments: Mapping[str, Any]
    """Constructor arguments of the published network that change its result."""
    defaults: Mapping[str, Any]
    """Values of arguments that are missing in a package, if they differ from `arguments`."""
    tensors: tuple[TensorPlace, ...]
    built: bytes | None = None
    """Content of a graph that was built from the sizes of published weights; None for a shipped graph."""

    @property
    def architecture(self) -> Architecture:
        """The network class of this graph."""
        return BY_CLASS[self.class_name]

    @property
    def graph(self) -> Path:
        """File of a shipped graph, which becomes `graph.onnx` in a model folder."""
        return FOLDER / f"{self.name}.onnx"

    def read_graph(self) -> bytes:
        """Return the content of `graph.onnx`."""
        return self.graph.read_bytes() if self.built is None else self.built

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything except the weights that the stems depend on: graph, description, places of tensors."""
        digest = hashlib.sha256(self.read_graph())
        # Installed models record this fingerprint. If the `repr` changes (a renamed field), they are downloaded again.
        digest.update(repr((self.description, self.tensors)).encode())
        return digest.hexdigest()


@cache
def templates() -> tuple[GraphTemplate, ...]:
    """Return all shipped graphs."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def names_of(class_name: str) -> tuple[str, ...]:
    """Return the names of the shipped graphs of a class."""
    return tuple(template.name for template in templates() if template.class_name == class_name)


def fingerprint_of_all() -> str:
    """Return the SHA-256 of all graphs and their tables."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load_template(name: str) -> GraphTemplate:
    """Return the graph called `name`. Raises ModelError if there is none."""
    for template in templates():
        if template.name == name:
            return template
    raise ModelError(f"There is no graph {name!r}. Choose one of {', '.join(t.name for t in templates())}.")


def template_for(class_name: str, arguments: Mapping[str, Any]) -> GraphTemplate:
    """Return the graph for a network of class `class_name`, constructed with `arguments`.

    Arguments that don't change the computation (for training, or unknown to this version of the class) are ignored.
    The description takes the sources' names from the arguments and, for a network of any length, the segment. Raises
    ModelError if no graph fits.
    """
    for template in templates():
        if template.class_name == class_name and _fits(template, arguments):
            return _labelled(template, arguments)
    raise ModelError(
        f"There is no graph for this {class_name}: its sizes differ from the published models. Use a published model."
    )


def shipped_template_of(model: Model) -> GraphTemplate | None:
    """Return the shipped graph that equals the graph of `model`; None if there is none."""
    graph = model.graph.read_bytes()
    return next((known for known in templates() if known.graph.read_bytes() == graph), None)


def _read(path: Path) -> GraphTemplate:
    table = json.loads(path.read_text(encoding="utf-8"))
    return GraphTemplate(
        name=path.stem,
        description=table["description"],
        class_name=table["class"],
        arguments=table["arguments"],
        defaults=table["defaults"],
        tensors=tuple(
            TensorPlace(place["name"], tuple(place["shape"]), place["offset"], place["length"])
            for place in table["tensors"]
        ),
    )


def _fits(template: GraphTemplate, arguments: Mapping[str, Any]) -> bool:
    complete = {**template.arguments, **template.defaults, **arguments}
    if not all(
        _same(complete[name], value) for name, value in template.arguments.items() if name not in _LABELS
    ):
        return False
    try:
        sources, segment = list(map(str, complete["sources"])), _samples(template, complete)
    except (TypeError, ValueError):
        return False
    if type(complete.get("hybrid_old", False)) is not bool:
        return False
    description = template.description
    if not len(sources) == len(set(sources)) == len(description["sources"]):
        return False
    return segment == description["segment"] if description["fixed_length"] else segment > 0


def _same(argument: Any, value: Any) -> bool:
    """Compare an argument with the expected value. A fraction equals its float; an empty list equals None."""
    if isinstance(value, bool) or isinstance(argument, bool):
        return bool(argument) is bool(value) if isinstance(argument, bool | int) else False
    return bool(argument == value) or (value is None and argument == [])


def _samples(template: GraphTemplate, arguments: Mapping[str, Any]) -> int:
    """Return the segment in samples, rounded as the published class does. Raises ValueError for an invalid length."""
    segment_s = arguments["segment"]
    # Multiplying a text or a list would repeat it 44,100 times. `type` rather than isinstance, as True is an int.
    if type(segment_s) not in (int, float, Fraction) or not 0 < segment_s < LONGEST_SEGMENT_S:
        raise ValueError(f"segment must be a number of seconds below {LONGEST_SEGMENT_S}")
    return int(segment_s * template.description["sample_rate"])


def _labelled(template: GraphTemplate, arguments: Mapping[str, Any]) -> GraphTemplate:
    complete = {**template.arguments, **template.defaults, **arguments}
    description = {
        **template.description,
        "sources": list(complete["sources"]),
        "segment": _samples(template, complete),
    }
    # Argument of HDemucs, which other classes ignore.
    if "hybrid_old" in template.arguments and complete["hybrid_old"]:
        description["stft"] = {**description["stft"], "edges": "demucs_old"}
    return replace(template, description=description)
