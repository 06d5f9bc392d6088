"""The graphs of published networks that come with the package: structure without weights.

Each is a pair of files in `graphs/`, written by `unbraid.networks.export_published`: `NAME.onnx`, whose parameters
lie in a file `weights.bin` beside it, in float16, and `NAME.json`, which says where in that file each tensor of the
published state dict goes, and which packages the graph is for. Everything that depends on weights alone is
arithmetic on bytes; neither PyTorch nor the `onnx` package is needed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.models.architectures import BY_CLASS, Architecture
from unbraid.models.folder import Model

FOLDER = Path(__file__).with_name("graphs")

# Arguments that name things and sizes but leave the graph as it is; they go into the description.
_NAMING = ("sources", "segment")

LONGEST_S = 3600  # of a segment; the longest published one has 44 s


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor of the published state dict goes in `weights.bin`: float16, little-endian, row by row."""

    name: str
    shape: tuple[int, ...]
    offset: int
    length: int
    """In bytes, as the offset is; what lies between tensors is zero."""


@dataclass(frozen=True, slots=True)
class GraphTemplate:
    """A graph that waits for its weights."""

    name: str
    description: Mapping[str, Any]
    """What `model.json` says of such a network, all but name, version, licence and checksums."""
    class_name: str
    arguments: Mapping[str, Any]
    """What the published network was constructed with, as far as it changes what is computed."""
    defaults: Mapping[str, Any]
    """What an argument is that a package doesn't name, where that differs from `arguments`."""
    tensors: tuple[TensorPlace, ...]

    @property
    def architecture(self) -> Architecture:
        """The network class of this graph."""
        return BY_CLASS[self.class_name]

    @property
    def graph(self) -> Path:
        """The file that a model folder has as `graph.onnx`."""
        return FOLDER / f"{self.name}.onnx"

    @property
    def fingerprint(self) -> str:
        """What else than the weights decides what is run: the SHA-256 of the graph and of where tensors go."""
        digest = hashlib.sha256(self.graph.read_bytes())
        digest.update(repr((self.description, self.tensors)).encode())
        return digest.hexdigest()


@cache
def templates() -> tuple[GraphTemplate, ...]:
    """All graphs there are."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def fingerprint_of_all() -> str:
    """What else than weights decides how published networks are run: the SHA-256 of all graphs and their tables."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def load_template(name: str) -> GraphTemplate:
    """The graph of that name: `htdemucs`, `htdemucs_6s` or `hdemucs`. Raises ModelError for any other."""
    for template in templates():
        if template.name == name:
            return template
    raise ModelError(f"there is no graph {name!r}; there are {', '.join(t.name for t in templates())}")


def template_for(class_name: str, arguments: Mapping[str, Any]) -> GraphTemplate:
    """The graph for a package of that class, constructed with these arguments.

    Arguments that don't change what is computed (for training, or that this version of the class never had) may be
    anything. The description takes over the package's names of sources and, where the network reads any length, its
    segment. Raises ModelError when no graph fits.
    """
    for template in templates():
        if template.class_name == class_name and _fits(template, arguments):
            return _named(template, arguments)
    raise ModelError(
        f"no graph for this {class_name}: it was built unlike the published models, which are all this version knows"
    )


def template_of(model: Model) -> GraphTemplate | None:
    """The published architecture that `model` has; None: another one, of which only its graph is known."""
    graph = model.graph.read_bytes()
    return next((known for known in templates() if known.graph.read_bytes() == graph), None)


def _read(path: Path) -> GraphTemplate:
    described = json.loads(path.read_text(encoding="utf-8"))
    return GraphTemplate(
        name=path.stem,
        description=described["description"],
        class_name=described["class"],
        arguments=described["arguments"],
        defaults=described["defaults"],
        tensors=tuple(
            TensorPlace(place["name"], tuple(place["shape"]), place["offset"], place["length"])
            for place in described["tensors"]
        ),
    )


def _fits(template: GraphTemplate, arguments: Mapping[str, Any]) -> bool:
    given = {**template.arguments, **template.defaults, **arguments}
    if not all(
        _same(given[name], value) for name, value in template.arguments.items() if name not in _NAMING
    ):
        return False
    try:
        sources, segment = list(map(str, given["sources"])), _samples(template, given)
    except (TypeError, ValueError):
        return False
    described = template.description
    if not len(sources) == len(set(sources)) == len(described["sources"]):
        return False
    return segment == described["segment"] if described["fixed_length"] else segment > 0


def _same(given: Any, value: Any) -> bool:
    """Fractions and floats of one value are the same, and no list is as good as an empty one."""
    if isinstance(value, bool) or isinstance(given, bool):
        return bool(given) is bool(value) if isinstance(given, bool | int) else False
    return bool(given == value) or (value is None and given == [])


def _samples(template: GraphTemplate, arguments: Mapping[str, Any]) -> int:
    """The segment, as the published class rounds it. Raises ValueError where it is no length of one."""
    segment_s = arguments["segment"]
    # A text or a list would be repeated 44,100 times; `type`, as True is a number, too.
    if type(segment_s) not in (int, float, Fraction) or not 0 < segment_s < LONGEST_S:
        raise ValueError(f"a segment is a number of seconds below {LONGEST_S}")
    return int(segment_s * template.description["sample_rate"])


def _named(template: GraphTemplate, arguments: Mapping[str, Any]) -> GraphTemplate:
    given = {**template.arguments, **template.defaults, **arguments}
    return replace(
        template,
        description={
            **template.description,
            "sources": list(given["sources"]),
            "segment": _samples(template, given),
        },
    )
