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
from unbraid.models import lite, spleeter
from unbraid.models.cache import report_cache_errors
from unbraid.models.convert import write_network
from unbraid.models.folder import DESCRIPTION, GRAPH, WEIGHTS, Model, load_model_folder
from unbraid.models.graphs import GraphTemplate
from unbraid.models.own import CARD, LICENCE, VERSION
from unbraid.models.readers.packages import Package
from unbraid.models.readers.tensors import Weights
from unbraid.models.templates import template_of

DESCRIPTIONS: Mapping[str, Callable[[tuple[str, ...], dict[str, Any]], dict[str, Any]]] = {
    lite.CLASS_NAME: lambda stems, sizes: lite.description(stems, lite.LiteConfig.from_dict(sizes)),
    spleeter.CLASS_NAME: lambda stems, sizes: spleeter.description(
        stems, spleeter.SpleeterSizes.from_dict(sizes)
    ),
}


def save_model(
    folder: Path, template: GraphTemplate, state: Mapping[str, NDArray[np.float32]], card: Mapping[str, Any]
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
        expected = DESCRIPTIONS[template.class_name](model.sources, described["network"]["sizes"])
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


class _Arrays(Weights):
    """Arrays in memory as the weights of a package. Raises ModelError if one has values that are no numbers."""

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
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
