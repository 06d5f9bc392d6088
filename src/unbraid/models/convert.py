"""Published weights into the form that is run: a network folder, or a bag of them.

The structure of a network comes with Unbraid, as a graph without weights (`unbraid.models.graphs`), which says where in
`weights.bin` each published tensor belongs. Weights are kept in float16, as they are published; the network computes
with them in float32, as Demucs does. Tensors go through memory one at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.models.cache import install
from unbraid.models.folder import DESCRIPTION, GRAPH, NETWORKS
from unbraid.models.graphs import GraphTemplate, template_for
from unbraid.models.readers.packages import Package
from unbraid.models.readers.tensors import HALF

WEIGHTS = "weights.bin"

# What the networks of a bag have to share, and the bag says of itself.
SHARED = ("sources", "sample_rate", "channels", "overlap", "normalise")


def convert_bag(
    packages: Sequence[Package],
    weights: Sequence[Sequence[float]] | None,
    folder: Path,
    *,
    name: str,
    version: str,
    licence: str,
    segment_s: float | None = None,
) -> None:
    """Write the folder of a bag of networks; whole, or not at all. What stood there is replaced.

    A bag of one is written as that network. `weights` says for each network how much its estimate of each source
    counts, in the order of the sources; None: all alike. `segment_s` is the bag's length of a segment, which takes the
    place of the networks' own, but for networks of a fixed length that are shorter.

    Raises ModelError when no graph fits a network, when its weights are not those that the graph needs, when the
    networks make no bag, or when the folder can't be written.
    """
    templates = [_template(package) for package in packages]
    sources = _shared(packages, templates)["sources"]
    parts = _weighted(packages, weights, sources)
    described = [
        _with_segment(template, segment_s, package)
        for template, package in zip(templates, packages, strict=True)
    ]
    named = {"name": name, "version": version, "licence": licence}

    def fill(new: Path) -> None:
        if len(parts) == 1:
            _write_network(packages[0], templates[0], new, named, described[0])
            return
        for package, template, description in zip(packages, templates, described, strict=True):
            part = new / package.signature
            if not part.exists():
                part.mkdir()
                _write_network(package, template, part, {**named, "name": package.signature}, description)
        _write_description(
            new,
            {
                **named,
                **_shared(packages, templates),
                "segment": min(description["segment"] for description in described),
                NETWORKS: [
                    {"folder": signature, "weights": dict(zip(sources, row, strict=True))}
                    for signature, row in parts.items()
                ],
            },
        )

    install(folder, fill)


def _template(package: Package) -> GraphTemplate:
    try:
        return template_for(package.class_name, package.arguments)
    except ModelError as error:
        raise ModelError(f"{package.path} can't be used: {error.message}") from error


def _shared(packages: Sequence[Package], templates: Sequence[GraphTemplate]) -> dict[str, Any]:
    """What all networks of a bag say of themselves. Raises ModelError when they differ."""
    first, *others = ({key: template.description[key] for key in SHARED} for template in templates)
    for package, other in zip(packages[1:], others, strict=True):
        for key in SHARED:
            if other[key] != first[key]:
                raise ModelError(
                    f"{package.path} has other {key} than {packages[0].path}: they can't be in one bag"
                )
    return first


def _weighted(
    packages: Sequence[Package], weights: Sequence[Sequence[float]] | None, sources: Sequence[str]
) -> dict[str, list[float]]:
    """The weights of each network by its signature; those of one that is there twice add up."""
    if weights is None:
        weights = [[1.0] * len(sources)] * len(packages)
    if len(weights) != len(packages) or any(len(row) != len(sources) for row in weights):
        raise ModelError(
            f"a bag of {len(packages)} networks for {len(sources)} stems needs {len(packages)} lists of "
            f"{len(sources)} weights"
        )
    parts: dict[str, list[float]] = {}
    for package, row in zip(packages, weights, strict=True):
        before = parts.get(package.signature, [0.0] * len(sources))
        parts[package.signature] = [a + b for a, b in zip(before, row, strict=True)]
    for source, column in zip(sources, zip(*parts.values(), strict=True), strict=True):
        if sum(column) <= 0 or min(column) < 0:
            raise ModelError(
                f"no network of the bag has a weight above 0 for {source}, or one has less than 0"
            )
    return parts


def _with_segment(template: GraphTemplate, segment_s: float | None, package: Package) -> dict[str, Any]:
    """The description of a network in a bag of this length of a segment."""
    description = dict(template.description)
    if segment_s is not None:
        segment = int(segment_s * description["sample_rate"])
        if not description["fixed_length"]:
            description["segment"] = segment
        elif segment < description["segment"]:
            raise ModelError(
                f"{package.path} reads {description['segment'] / description['sample_rate']:g} s at once and can't "
                f"be in a bag of {segment_s:g} s: leave out the bag's segment, and use --segment"
            )
    return description


def _write_network(
    package: Package,
    template: GraphTemplate,
    folder: Path,
    named: Mapping[str, str],
    description: Mapping[str, Any],
) -> None:
    _check_tensors(package, template)
    sums = {
        GRAPH: _write_graph(template, folder / GRAPH),
        WEIGHTS: _write_weights(package, template, folder / WEIGHTS),
    }
    _write_description(folder, {**named, **description, "sha256": sums})


def _check_tensors(package: Package, template: GraphTemplate) -> None:
    """Raise ModelError unless the package has the tensors that the graph needs, in their shapes, and no others."""
    needed = {tensor.name: tensor.shape for tensor in template.tensors}
    for names, how in (
        (needed.keys() - package.state.keys(), "lacks"),
        (package.state.keys() - needed.keys(), "has"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(
                f"{package.path} can't be used: its state {how} {min(names)!r:.80}{more}, unlike "
                f"{package.class_name} as published; take the published model"
            )
    for name, shape in needed.items():
        if package.state.shape(name) != shape:
            raise ModelError(
                f"{package.path} can't be used: {name} is {_size(package.state.shape(name))}, not {_size(shape)} as "
                "published; take the published model"
            )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _write_weights(package: Package, template: GraphTemplate, path: Path) -> str:
    """Write the tensors where the graph reads them, one at a time; returns the SHA-256."""
    ordered = sorted(template.tensors, key=lambda tensor: tensor.offset)
    assert all(before.offset + before.length <= tensor.offset for before, tensor in pairwise(ordered))
    digest, end = hashlib.sha256(), 0
    with path.open("wb") as file:
        for tensor in ordered:
            values = _halved(package, tensor.name)
            for content in (bytes(tensor.offset - end), values.reshape(-1).view(np.uint8).data):
                file.write(content)
                digest.update(content)
            end = tensor.offset + tensor.length
    return digest.hexdigest()


def _halved(package: Package, name: str) -> NDArray[np.float16]:
    """The tensor as float16. Raises ModelError when that would change a weight."""
    values = package.state[name]
    if values.dtype == HALF:
        return values
    with np.errstate(over="ignore"):
        halved = values.astype(HALF)
    if not np.array_equal(halved, values):
        raise ModelError(
            f"{package.path} can't be used: {name} has weights that float16 can't hold, in which models are published; "
            "save its state with .half()"
        )
    return halved


def _write_graph(template: GraphTemplate, path: Path) -> str:
    graph = template.graph.read_bytes()
    path.write_bytes(graph)
    return hashlib.sha256(graph).hexdigest()


def _write_description(folder: Path, description: Mapping[str, Any]) -> None:
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
