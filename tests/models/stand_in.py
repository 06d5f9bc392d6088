"""A catalogue of the known models with small files from a server of the tests' own, and a conversion that makes
small models: for what happens between a name and a model folder, not for what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.separation.known_models import bag_of, spectral_model

import unbraid.models
from unbraid.models import auto, find, install
from unbraid.models.cache import install as install_folder
from unbraid.models.catalog import CatalogEntry
from unbraid.models.download import ModelFile

SIZE = 300_000  # bytes of a file; several reports on its way

Put = Callable[[object, str, Any], None]


def content(number: int) -> bytes:
    """The file of a network."""
    return np.random.default_rng(number).bytes(SIZE)


def files() -> dict[str, bytes]:
    """Name -> content of the files that a server has to have."""
    return {f"{number:08x}-{checksum(number)[:8]}.th": content(number) for number in range(8)}


def checksum(number: int) -> str:
    """SHA-256 of the file of a network."""
    return hashlib.sha256(content(number)).hexdigest()


def known(name: str) -> CatalogEntry:
    """The entry of the catalogue that is in use, as tests put another in its place."""
    return unbraid.models.catalog()[name]


def put_in_place(address: str, put: Put = setattr) -> None:
    """Use the stand-ins in this process; `put` is like setattr."""
    names, numbers = list(files()), iter(range(8))
    entries = {}
    for name, entry in unbraid.models.catalog().items():
        own = []
        for file in entry.files:
            number = next(numbers)
            own.append(ModelFile(f"{address}/{names[number]}", checksum(number), SIZE, file.source))
        entries[name] = replace(entry, files=tuple(own))
    for module in (auto, find, unbraid.models):
        put(module, "catalog", lambda: entries)
    put(install, "_convert", convert)


def convert(entry: CatalogEntry, paths: Sequence[Path]) -> None:
    """Make a small model, whatever is in the files."""
    assert [path.name for path in paths] == [file.name for file in entry.files]
    described = {"name": entry.name, "version": entry.version, "licence": entry.licence}

    def fill(folder: Path) -> None:
        if len(paths) == 1:
            spectral_model(folder, [1 / len(entry.sources)] * len(entry.sources), entry.sources, **described)
        else:
            weights = {
                path.stem: [float(file.source == source) for source in entry.sources]
                for path, file in zip(paths, entry.files, strict=True)
            }
            bag_of(folder, weights, **described)

    install_folder(entry.place, fill)
