"""Write the model folder of a network that a user taught, and recognise such a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.files.atomic import atomic_folder
from unbraid.models import lite, roformer, spleeter
from unbraid.models.cache import report_cache_errors
from unbraid.models.checkpoint_config import check_chunk
from unbraid.models.convert import write_network
from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS, Model, load_model_folder
from unbraid.models.graphs import GraphTemplate
from unbraid.models.own import CARD, LICENCE, VERSION
from unbraid.models.readers.packages import Package
from unbraid.models.readers.tensors import Weights
from unbraid.models.roformer_config import MOST_FRAMES, is_in_range
from unbraid.models.templates import template_of

HTDEMUCS = "HTDemucs"
MOST_OVERLAP = 63 / 64  # of published configs

DESCRIPTIONS: Mapping[str, Callable[[Model, GraphTemplate], dict[str, Any]]] = {
    lite.CLASS_NAME: lambda model, template: lite.description(
        model.sources, lite.LiteConfig.from_dict(template.arguments["sizes"])
    ),
    spleeter.CLASS_NAME: lambda model, template: spleeter.description(
        model.sources, spleeter.SpleeterSizes.from_dict(template.arguments["sizes"])
    ),
    roformer.CLASS_NAME: lambda model, template: _roformer(
        model, roformer.RoformerSizes.from_dict(template.arguments["sizes"])
    ),
    HTDEMUCS: lambda model, template: {**template.description, "sources": list(model.sources)},
}
"""What `save_model` writes for a network of a class with the graph of a template."""


def save_model(
    folder: Path,
    template: GraphTemplate,
    state: Mapping[str, NDArray[np.floating[Any]]],
    card: Mapping[str, Any],
) -> Model:
    """Write a model folder atomically, over an older one, and load it. Its name is that of the folder.

    `state`: the tensors of the network, by name. Raises ModelError if they don't fit the graph, or if the folder can't
    be written.
    """
    package = Package(folder, template.class_name, template.arguments, _Arrays(state))
    labels = {"name": folder.name, "version": VERSION, "licence": LICENCE}
    with report_cache_errors(folder), atomic_folder(folder) as new:
        write_network(package, template, new, labels, {**template.description, CARD: dict(card)})
    return load_model_folder(folder)


def is_own(folder: Path) -> bool:
    """Whether a folder has exactly what `save_model` writes for a network, apart from weights, stems and card."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        model = load_model_folder(folder)
        template = template_of(model)
        if template is None or template.class_name not in DESCRIPTIONS:
            return False
        expected = DESCRIPTIONS[template.class_name](model, template)
    except (OSError, ValueError, KeyError, TypeError, ModelError):
        return False
    size = max(place.offset + place.length for place in template.tensors)
    return (
        described.keys() == {*expected, "name", "version", "licence", "sha256", CARD}
        and all(described[key] == value for key, value in expected.items())
        and (described["name"], described["version"], described["licence"]) == (folder.name, VERSION, LICENCE)
        and isinstance(described[CARD], dict)
        and (folder / WEIGHTS).stat().st_size == size
        and {path.name for path in folder.iterdir()} == {DESCRIPTION, GRAPH, WEIGHTS}
    )


def _roformer(model: Model, sizes: roformer.RoformerSizes) -> dict[str, Any]:
    """Return the expected description, with a hop, a rate and an overlap as published checkpoints may have them."""
    n_fft, hop, segment = 2 * (sizes.bins - 1), int(model.hop or 0), model.segment
    if not is_in_range(n_fft, hop) or segment // hop > MOST_FRAMES:
        raise ValueError("window or hop is out of range")
    check_chunk(segment, n_fft, model.sample_rate)
    if model.overlap > MOST_OVERLAP:
        raise ValueError("overlap is out of range")
    return roformer.description(
        model.sources, sizes, hop=hop, rate=model.sample_rate, overlap=model.overlap, rest=model.rest
    )


class _Arrays(Weights):
    """Arrays in memory as the weights of a package. Raises ModelError if one has values that are no numbers."""

    def __init__(self, arrays: Mapping[str, NDArray[np.floating[Any]]]) -> None:
        self._arrays = arrays
        if not all(np.isfinite(values).all() for values in arrays.values()):
            raise ModelError("The new weights have values that are not numbers. Train again.")

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return tuple(self._arrays[name].shape)
