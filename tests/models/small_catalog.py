"""A catalogue with small files on a test server, and a conversion that writes small models.

For tests of finding, downloading and installing a model, not of its content.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.separation.known_models import bag_of, spectral_model

import unbraid.models
from unbraid.models import install
from unbraid.models.cache import new_model_folder
from unbraid.models.catalog import CatalogEntry
from unbraid.models.published import ModelFile

FILES = 60
SIZE = 300_000  # bytes of a file; enough for several progress reports

Put = Callable[[object, str, Any], None]


def content(number: int) -> bytes:
    """Return the file of a network."""
    return np.random.default_rng(number).bytes(SIZE)


def files() -> dict[str, bytes]:
    """Return the files for the server: name -> content."""
    return {f"{number:08x}-{checksum(number)[:8]}.th": content(number) for number in range(FILES)}


def checksum(number: int) -> str:
    """Return the SHA-256 of the file of a network."""
    return hashlib.sha256(content(number)).hexdigest()


def entry(name: str) -> CatalogEntry:
    """Return the entry of the catalogue in use."""
    return unbraid.models.catalog()[name]


def install_catalog(address: str, put: Put = setattr) -> None:
    """Use this catalogue and conversion in this process. `put` is like setattr."""
    names, numbers = list(files()), iter(range(FILES))
    entries = {}
    for name, real in unbraid.models.catalog().items():
        small = []
        for file in real.files:
            number = next(numbers)
            small.append(ModelFile(f"{address}/{names[number]}", checksum(number), SIZE, file.source))
        entries[name] = replace(real, files=tuple(small))
    use_catalog(entries, put)
    put(install, "_convert", convert)


def use_catalog(entries: Mapping[str, CatalogEntry], put: Put = setattr) -> None:
    """Use these entries as the catalogue in this process."""
    for module in ("auto", "catalog", "find", "install", "questions"):
        put(sys.modules[f"unbraid.models.{module}"], "catalog", lambda: entries)
    put(unbraid.models, "catalog", lambda: entries)


def convert(entry: CatalogEntry, paths: Sequence[Path]) -> None:
    """Write a small model, whatever the files contain."""
    assert [path.name for path in paths] == [file.name for file in entry.files]
    described = {"name": entry.name, "version": entry.version, "licence": entry.licence}

    with new_model_folder(entry.place) as folder:
        if len(paths) == 1 or entry.roformer or entry.mdx23c:
            spectral_model(folder, [1 / len(entry.sources)] * len(entry.sources), entry.sources, **described)
        else:
            weights = {
                path.stem: [float(file.source in (None, source)) for source in entry.sources]
                for path, file in zip(paths, entry.files, strict=True)
            }
            bag_of(folder, weights, **described)
