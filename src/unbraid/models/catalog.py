"""The models Unbraid knows by name, read from `catalog.toml`, and the way from a name to a loaded folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.models.folder import DESCRIPTION, Model, load_model_folder

HERE = Path(__file__).parent

# What `auto` stands for: the best model that is there and can be run.
AUTO = "auto"
AUTO_CHOICE = "lite"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to download: where from, the SHA-256 of its bytes, and the stem it is for (None: all)."""

    url: str
    sha256: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """What is known of a model before it is there."""

    name: str
    summary: str
    sources: tuple[str, ...]
    licence: str
    paper: str | None = None
    sdr_db: Mapping[str, float] = field(default_factory=dict)
    sdr_source: str | None = None
    folder: Path | None = None
    """Where a bundled model lies; None for one that has to be downloaded."""
    files: tuple[ModelFile, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether this version can run it right now."""
        return self.folder is not None and (self.folder / DESCRIPTION).is_file()

    @property
    def size(self) -> int | None:
        """Bytes on disk; None while it is not there."""
        if self.folder is None or not self.installed:
            return None
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


@cache
def catalog() -> Mapping[str, CatalogEntry]:
    """All known models by name, in the order of the catalogue."""
    entries = tomllib.loads((HERE / "catalog.toml").read_text(encoding="utf-8"))["model"]
    known = {}
    for entry in entries:
        entry["sources"] = tuple(entry["sources"])
        entry["files"] = tuple(ModelFile(**file) for file in entry.get("files", ()))
        if "folder" in entry:
            entry["folder"] = HERE / entry["folder"]
        known[entry["name"]] = CatalogEntry(**entry)
    return known


def find_model(name: str | Path = AUTO) -> Model:
    """The model called `name` in the catalogue, or that in the folder `name`, verified.

    `auto` takes the best there is. A model that was asked for by name and can't be run is an error, never
    another model. Raises ModelError.
    """
    if isinstance(name, str):
        entry = catalog().get(AUTO_CHOICE if name == AUTO else name)
        if entry is not None:
            return _load(entry)
    folder = Path(name)
    if folder.is_dir():
        return load_model_folder(folder)
    known = ", ".join((AUTO, *catalog()))
    raise ModelError(f"there is no model {str(name)!r}; there is {known}, or the path of a model folder")


def _load(entry: CatalogEntry) -> Model:
    if entry.folder is None:
        raise ModelError(
            f"this version of Unbraid can't run {entry.name} yet; use -m {AUTO_CHOICE}, which is bundled"
        )
    return load_model_folder(entry.folder)
