"""The models that Unbraid knows by name, read from `catalog.toml`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from unbraid.models.cache import cache_folder, included_model
from unbraid.models.ensemble import common_stems, licence_of
from unbraid.models.folder import DESCRIPTION
from unbraid.models.graphs import load_template
from unbraid.models.mdx_settings import FORM as MDX_FORM
from unbraid.models.published import MDX23C_FORM, PACKAGES, ROFORMER_FORM, ModelFile, signature_of

HERE = Path(__file__).parent
UNKNOWN_LICENCE = "unknown"
OWN = "own.toml"
"""Table of further models, beside the catalogue. Only `unbraid deploy` writes it, into the image and the functions."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of work for one second of song on two cores."""

    one_stem: float
    all_stems: float


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A known model, installed or not."""

    name: str
    summary: str
    sources: tuple[str, ...]
    licence: str
    speed: Speed
    paper: str | None = None
    sdr_db: Mapping[str, float] = field(default_factory=dict)
    sdr_source: str | None = None
    folder: Path | None = None
    """Folder of a bundled model or bag; None for a model that has to be downloaded."""
    graph: str | None = None
    """Name of the graph of a model that has to be downloaded. The networks of a bag may have one of several, `a+b`."""
    segment_s: float | None = None
    """Length of the segments of a bag; None: that of its networks."""
    files: tuple[ModelFile, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other names that users may type."""
    checkpoint: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files of a TensorFlow checkpoint, if the files are archives of it; empty where it is unknown."""
    mdx: str | None = None
    """Of an MDX-Net: the hash of its file in the tables of UVR; see `unbraid.models.mdx`."""
    roformer: bool = False
    """Whether the files are the checkpoint and the config of a band-split transformer (`unbraid.models.roformer`)."""
    mdx23c: bool = False
    """The same for an MDX23C (`unbraid.models.mdx23c`)."""
    answers: tuple[str, ...] = ()
    """Words of the questions that the model answers; see `unbraid.models.questions`."""
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Scores in dB that can be compared with other models: by test set (`questions.toml`), then by stem."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Plain names of stems, by their names in the published files. Other stems keep their names."""
    overlap: float | None = None
    """Overlap of segments, instead of the one in the published config."""
    models: tuple[str, ...] = ()
    """Names of the models that a bundled bag or ensemble consists of."""
    ensemble: bool = False
    """Whether these models are an ensemble. Its stems follow from theirs."""

    @property
    def licence_known(self) -> bool:
        """Whether the licences of the model and of the models in a bag are known. `auto` chooses only such models."""
        return all(one.licence != UNKNOWN_LICENCE for one in (self, *self.members))

    @property
    def verified(self) -> bool:
        """Whether the SHA-256 of every file is known. Other models are downloaded only on request."""
        return all(one.sha256 for file in self.files for one in file.all)

    @property
    def place(self) -> Path:
        """Folder of the model, whether it is installed or not."""
        return self.folder or included_model(self.name) or cache_folder() / "models" / self.name

    @property
    def version(self) -> str:
        """Names of the downloads and digits of the graph's hash: `955717e8-8726e21a.9f86d081`; empty if bundled.

        An installed model of another version is downloaded again, so that a corrected graph takes effect.
        """
        if self.mdx:
            graph: str | None = f"mdx{MDX_FORM}"
        elif self.roformer:
            graph = f"roformer{ROFORMER_FORM}"
        elif self.mdx23c:
            graph = f"mdx23c{MDX23C_FORM}"
        else:
            graph = self.graph and _graph_hash(self.graph)
        stems = "".join(f".{name}" for name in self.names.values())
        return "+".join(Path(file.name).stem for file in self.files) + f".{graph}{stems}" if graph else ""

    @property
    def members(self) -> tuple[CatalogEntry, ...]:
        """The models of a bundled bag or ensemble, which may have to be downloaded; empty for other models."""
        return tuple(catalog()[name] for name in self.models)

    @property
    def installed(self) -> bool:
        """Whether the model is on this machine, in this version. Only loading checks that it is intact."""
        if self.folder is not None:
            return all(member.installed for member in self.members)
        try:
            described = json.loads((self.place / DESCRIPTION).read_text(encoding="utf-8"))
            return bool(described["version"] == self.version)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def size(self) -> int | None:
        """Bytes on disk, without the models of a bag; None if the model isn't installed."""
        if not self.installed:
            return None
        return sum(path.stat().st_size for path in self.place.rglob("*") if path.is_file())

    @property
    def download_size(self) -> int:
        """Bytes to download, also for the models of a bag."""
        own = sum(file.size for file in self.files)
        return own + sum(member.download_size for member in self.members)


@cache
def _graph_hash(names: str) -> str:
    """First eight digits of each graph's fingerprint."""
    return "+".join(load_template(name).fingerprint[:8] for name in names.split("+"))


@cache
def catalog() -> Mapping[str, CatalogEntry]:
    """Return all known models by name, in the order of `catalog.toml`, then of the deployment's own."""
    entries = read_catalog((HERE / "catalog.toml").read_text(encoding="utf-8"))
    own = HERE / OWN
    return entries | read_catalog(own.read_text(encoding="utf-8")) if own.is_file() else entries


def find_entry(name: str) -> CatalogEntry | None:
    """Return the model with that name, alias or signature; None if there is none."""
    for entry in catalog().values():
        if name == entry.name or name in entry.aliases:
            return entry
    return networks().get(name)


def networks() -> Mapping[str, CatalogEntry]:
    """Return the published networks of Demucs by their signature: a model of one network, or a network of a bag.

    A network of a bag estimates all sources, also if the bag uses it for one.
    """
    return {
        signature_of(Path(file.name)): entry if len(entry.files) == 1 else _network(entry, file)
        for entry in catalog().values()
        for file in entry.files
        if Path(file.name).suffix == PACKAGES[0]
    }


def _network(bag: CatalogEntry, file: ModelFile) -> CatalogEntry:
    work = bag.speed.all_stems / len(bag.files)
    return replace(
        bag,
        name=signature_of(Path(file.name)),
        summary=f"one of the networks of {bag.name}",
        speed=Speed(work, work),
        files=(replace(file, source=None),),
        aliases=(),
        answers=(),
        scores={},
        sdr_db={},
        sdr_source=None,
    )


def read_catalog(text: str) -> dict[str, CatalogEntry]:
    """Return the models that a catalogue in TOML describes."""
    entries: dict[str, CatalogEntry] = {}
    for model in tomllib.loads(text)["model"]:
        model["models"] = tuple(model.get("models", ()))
        model["ensemble"] = "sources" not in model
        if model["ensemble"]:
            model |= _together([entries[name] for name in model["models"]])
        model["sources"] = tuple(model["sources"])
        model["aliases"] = tuple(model.get("aliases", ()))
        model["answers"] = tuple(model.get("answers", ()))
        model["speed"] = Speed(**model["speed"])
        model["files"] = tuple(map(_file, model.get("files", ())))
        if "folder" in model:
            model["folder"] = HERE / model["folder"]
        entries[model["name"]] = CatalogEntry(**model)
    return entries


def _together(parts: Sequence[CatalogEntry]) -> dict[str, Any]:
    """Return what the catalogue says of an ensemble of these models."""
    stems = common_stems([part.name for part in parts], [part.sources for part in parts])
    return {
        "sources": list(stems),
        "licence": licence_of([part.licence for part in parts]),
        "speed": {
            "one_stem": sum(part.speed.one_stem for part in parts),
            "all_stems": sum(part.speed.all_stems for part in parts),
        },
    }


def _file(file: Mapping[str, Any]) -> ModelFile:
    return ModelFile(**{**file, "instead": tuple(map(_file, file.get("instead", ())))})
