"""Convert published weights into a model folder: one network, or a bag of several.

Unbraid ships each graph without weights, and a table with the place of each published tensor in `weights.bin`
(`unbraid.models.graphs`). Weights stay in float16 (Demucs) or float32 (Spleeter), as published; networks
compute in float32. One tensor at a time is in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.models.cache import new_model_folder
from unbraid.models.float32_graph import QUANTISED, float32_template
from unbraid.models.folder import DESCRIPTION, GRAPH, NETWORKS, WEIGHTS
from unbraid.models.graphs import GraphTemplate, TensorPlace, template_for
from unbraid.models.parameter_order import published_order
from unbraid.models.readers.packages import Package
from unbraid.models.readers.quantised import QuantisedState
from unbraid.models.readers.tensors import HALF, SINGLE, PackageError, Weights

# Entries of a description in which a bag and all its networks agree.
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
    """Write the model folder of a bag of networks atomically, over an older one. A bag of one becomes a plain network.

    `weights` has a row for each network: the weight of its estimate of each source, in the order of the sources. None
    means equal weights. `segment_s` is the bag's segment length. It replaces the segment lengths of its networks,
    except shorter fixed ones.

    Raises ModelError if no graph fits a network, if its tensors don't fit the graph, if the networks don't form a bag,
    or if the folder can't be written.
    """
    templates = [_template(package) for package in packages]
    shared = _shared(packages, templates)
    rows = _bag_weights_by_signature(packages, weights, shared["sources"])
    descriptions = [
        _with_segment(template, segment_s, package)
        for template, package in zip(templates, packages, strict=True)
    ]
    labels = {"name": name, "version": version, "licence": licence}
    with new_model_folder(folder) as new:
        if len(rows) == 1:
            write_network(packages[0], templates[0], new, labels, descriptions[0])
            return
        for package, template, description in zip(packages, templates, descriptions, strict=True):
            member = new / package.signature
            if not member.exists():
                member.mkdir()
                write_network(package, template, member, {**labels, "name": package.signature}, description)
        networks = [
            {"folder": signature, "weights": dict(zip(shared["sources"], row, strict=True))}
            for signature, row in rows.items()
        ]
        segment = min(description["segment"] for description in descriptions)
        write_description(new, {**labels, **shared, "segment": segment, NETWORKS: networks})


def _template(package: Package) -> GraphTemplate:
    try:
        template = template_for(package.class_name, package.arguments)
    except ModelError as error:
        raise _unusable(package, error.message) from error
    if not isinstance(package.state, QuantisedState):
        return template
    if package.class_name != QUANTISED:
        raise _unusable(package, f"its weights are quantised. Unbraid unpacks those of {QUANTISED} only.")
    return replace(float32_template(template.name), description=template.description)


def _weights(package: Package, template: GraphTemplate) -> Weights:
    """Return the tensors of a package. Raises ModelError if those without names don't fit the graph."""
    if not isinstance(package.state, QuantisedState):
        return package.state
    shapes = {tensor.name: tensor.shape for tensor in template.tensors}
    try:
        return package.state.named({name: shapes[name] for name in published_order(shapes)})
    except PackageError as error:
        raise error.about(package.path) from error


def _shared(packages: Sequence[Package], templates: Sequence[GraphTemplate]) -> dict[str, Any]:
    """Return the entries that all networks of a bag share. Raises ModelError if they differ."""
    first, *others = ({key: template.description[key] for key in SHARED} for template in templates)
    for package, other in zip(packages[1:], others, strict=True):
        for key in SHARED:
            if other[key] != first[key]:
                raise ModelError(
                    f"{package.path} and {packages[0].path} can't be in one bag: they differ in {key}."
                )
    return first


def _bag_weights_by_signature(
    packages: Sequence[Package], weights: Sequence[Sequence[float]] | None, sources: Sequence[str]
) -> dict[str, list[float]]:
    """Return the weights of each network by its signature. Weights of a network listed twice add up."""
    if weights is None:
        weights = [[1.0] * len(sources)] * len(packages)
    if len(weights) != len(packages) or any(len(row) != len(sources) for row in weights):
        raise ModelError(
            f"A bag of {len(packages)} networks for {len(sources)} stems needs {len(packages)} lists of "
            f"{len(sources)} weights. Correct the bag's file."
        )
    rows: dict[str, list[float]] = {}
    for package, row in zip(packages, weights, strict=True):
        before = rows.get(package.signature, [0.0] * len(sources))
        rows[package.signature] = [a + b for a, b in zip(before, row, strict=True)]
    for source, column in zip(sources, zip(*rows.values(), strict=True), strict=True):
        if sum(column) <= 0 or min(column) < 0:
            raise ModelError(
                f"The bag's weights for {source} are all 0, or one is below 0. Correct the bag's file."
            )
    return rows


def _with_segment(template: GraphTemplate, segment_s: float | None, package: Package) -> dict[str, Any]:
    """Return the description of a network in a bag with the segment length `segment_s`."""
    description = dict(template.description)
    if segment_s is not None:
        segment = int(segment_s * description["sample_rate"])
        if not description["fixed_length"]:
            description["segment"] = segment
        elif segment < description["segment"]:
            raise ModelError(
                f"{package.path} has a fixed segment of {description['segment'] / description['sample_rate']:g} s, and "
                f"the bag's is {segment_s:g} s. Remove `segment` from the bag's file, and use --segment."
            )
    return description


def write_network(
    package: Package,
    template: GraphTemplate,
    folder: Path,
    labels: Mapping[str, str],
    description: Mapping[str, Any],
) -> None:
    """Write the model folder of one network into `folder`, which exists. Raises ModelError if a tensor doesn't fit."""
    weights = _weights(package, template)
    _check_tensors(package, weights, template)
    sums = {
        GRAPH: _write_graph(template, folder / GRAPH),
        WEIGHTS: _write_weights(package, weights, template, folder / WEIGHTS),
    }
    write_description(folder, {**labels, **description, "sha256": sums})


def _check_tensors(package: Package, weights: Weights, template: GraphTemplate) -> None:
    """Raise ModelError unless the package has exactly the tensors that the graph needs, in their shapes."""
    needed = {tensor.name: tensor.shape for tensor in template.tensors}
    for names, verb in (
        (needed.keys() - weights.keys(), "lacks"),
        (weights.keys() - needed.keys(), "has"),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise _unusable(
                package,
                f"its state {verb} {min(names)!r:.80}{more}, unlike the published {package.class_name}. "
                "Use the published model.",
            )
    for name, shape in needed.items():
        if weights.shape(name) != shape:
            size, needed_size = _size(weights.shape(name)), _size(shape)
            raise _unusable(
                package, f"{name} is {size}, the published one is {needed_size}. Use the published model."
            )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _write_weights(package: Package, weights: Weights, template: GraphTemplate, path: Path) -> str:
    """Write the tensors to their places in `weights.bin`. Return the SHA-256 of the file."""
    ordered = sorted(template.tensors, key=lambda tensor: tensor.offset)
    assert all(before.offset + before.length <= tensor.offset for before, tensor in pairwise(ordered))
    digest, end = hashlib.sha256(), 0
    with path.open("wb") as file:
        for tensor in ordered:
            values = _stored_values(package, weights[tensor.name], template, tensor)
            for content in (bytes(tensor.offset - end), values.reshape(-1).view(np.uint8).data):
                file.write(content)
                digest.update(content)
            end = tensor.offset + tensor.length
    return digest.hexdigest()


def _stored_values(
    package: Package, values: NDArray[np.floating[Any]], template: GraphTemplate, tensor: TensorPlace
) -> NDArray[np.floating[Any]]:
    """Return the tensor as it is stored. Raises ModelError if a weight would change that may not be rounded."""
    if values.dtype == (HALF if tensor.float16 else SINGLE):
        return values
    if not tensor.float16:
        return values.astype(SINGLE)
    with np.errstate(over="ignore"):
        converted = values.astype(HALF)
    rounded = template.architecture.rounded and np.isfinite(converted).all()
    if not rounded and not np.array_equal(converted, values):
        raise _unusable(
            package,
            f"weights in {tensor.name} don't fit float16, the published format. Save its state with .half().",
        )
    return converted


def _unusable(package: Package, reason: str) -> ModelError:
    return ModelError(f"can't be used: {reason}", subject=str(package.path))


def _write_graph(template: GraphTemplate, path: Path) -> str:
    graph = template.read_graph()
    path.write_bytes(graph)
    return hashlib.sha256(graph).hexdigest()


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write the description of a model folder."""
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
