"""Models of one's own in the image: model folders (docs/models.md) that `--model` and `--models` name by their path.

The container and the functions know models by the catalogue. So the zips of both get a table of these models beside
it, `own.toml`, and the zip of the image also gets their folders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unbraid.errors import SettingError
from unbraid.models.auto import FIRST_CHOICE
from unbraid.models.catalog import OWN, Speed, catalog, find_entry
from unbraid.models.folder import DESCRIPTION, MODELS, NETWORKS
from unbraid.models.own import check_name, speed_of

PLACE = "unbraid/models"
"""Folder of the catalogue in the package."""


@dataclass(frozen=True)
class OwnModel:
    """A model folder and its description."""

    folder: Path
    description: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name by which users choose the model."""
        return str(self.description["name"])

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the path in the package, and the file, of every file of the model."""
        for file in sorted(self.folder.rglob("*")):
            if file.is_file():
                yield f"{PLACE}/own/{self.name}/{file.relative_to(self.folder).as_posix()}", file

    @property
    def speed(self) -> Speed:
        """Speed of a taught model. That of other models is unknown: estimates use that of `htdemucs`."""
        work = catalog()[FIRST_CHOICE].speed.all_stems
        return speed_of(self.folder) or Speed(work, work)

    def entry(self) -> str:
        """Return the model's entry of the table, in TOML."""
        one, every = self.speed.one_stem, self.speed.all_stems
        values = {
            "name": self.name,
            "summary": "a model of this deployment",
            "sources": self.description["sources"],
            "licence": self.description["licence"],
            "folder": f"own/{self.name}",
            "models": [_catalogued(part) for part in _parts(self.description) if "model" in part],
        }
        # JSON writes strings and lists as TOML reads them.
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        return "\n".join(["[[model]]", *lines, f"speed = {{ one_stem = {one}, all_stems = {every} }}", ""])


def is_folder(model: str) -> bool:
    """Whether `model` is a folder, and not a model of the catalogue."""
    return find_entry(model) is None and (Path(model) / DESCRIPTION).is_file()


def read(folder: Path) -> OwnModel:
    """Read the description of a model folder. Raises ValueError."""
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text("utf-8"))
        name, sources, licence = (description[key] for key in ("name", "sources", "licence"))
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path} isn't the description of a model: docs/models.md") from None
    if not (isinstance(name, str) and isinstance(licence, str) and isinstance(sources, list)):
        raise ValueError(f"{path} isn't the description of a model: docs/models.md")
    try:
        check_name(name)
    except SettingError:
        raise ValueError(
            f"{path} has the name {name!r}. Choose letters, digits, - and _, and not a name of `unbraid models`"
        ) from None
    for part in _parts(description):
        if "model" in part and not _catalogued(part):
            raise ValueError(f"{path} needs the model {part['model']}, which is unknown")
    return OwnModel(folder, description)


def _parts(description: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the models that a bag or an ensemble consists of."""
    return (*description.get(NETWORKS, ()), *description.get(MODELS, ()))


def _catalogued(part: Mapping[str, Any]) -> str:
    """Return the name in the catalogue of a model with a name; empty if it isn't there, as one network of a bag."""
    entry = find_entry(part["model"])
    return "" if entry is None or entry.name not in catalog() else entry.name


def own_models(models: Sequence[str]) -> list[OwnModel]:
    """Return the models among `models` that are folders. Raises ValueError."""
    return [read(Path(model)) for model in models if is_folder(model)]


def table(models: Sequence[OwnModel], folder: Path) -> dict[str, Path]:
    """Write the table to `folder`, and return it by its path in the package. Without models there is none."""
    if not models:
        return {}
    file = folder / OWN
    file.write_text("\n".join(model.entry() for model in models), "utf-8")
    return {f"{PLACE}/{OWN}": file}
