"""Small models in the real format, installed under names of the catalogue, to export and import."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.models.published import HDEMUCS_MMI, HTDEMUCS, SOURCES, TINY, draw, published, tiny_graphs

import unbraid.models
from unbraid.models import archive_export, archive_import, auto, find, questions
from unbraid.models.archive_export import export_models
from unbraid.models.archive_import import Imported, import_models
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.convert import convert_bag
from unbraid.models.readers.packages import read_package

GRAPHS = {"htdemucs": "HTDemucs", "htdemucs_ft": "HTDemucs", "hdemucs_mmi": "HDemucs", "spleeter": "HTDemucs"}
FILES = ("model.json", "graph.onnx", "weights.bin")


def install_small_catalog(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Mapping[str, CatalogEntry]:
    """Replace the graphs by small ones for one test, and the catalogue by models that use them."""
    tiny_graphs(monkeypatch, folder)
    entries = {
        name: replace(entry, graph=GRAPHS[name]) if name in GRAPHS else entry
        for name, entry in catalog().items()
        if name in GRAPHS or not entry.files
    }
    for module in (
        archive_export,
        archive_import,
        auto,
        find,
        questions,
        sys.modules["unbraid.models.catalog"],
        unbraid.models,
    ):
        monkeypatch.setattr(module, "catalog", lambda: entries)
    return entries


def install(entry: CatalogEntry, place: Path | None = None, seed: int = 0) -> Path:
    """Install a model with drawn weights, in its place in the cache by default."""
    place = place or entry.place
    place.parent.mkdir(parents=True, exist_ok=True)
    arguments = HDEMUCS_MMI if entry.graph == "HDemucs" else HTDEMUCS
    packages = []
    for number, file in enumerate(entry.files):
        path = place.parent / f"{Path(file.name).stem.partition('-')[0]}.th"
        assert entry.graph is not None
        packages.append(read_package(published(path, draw(TINY, seed + number), arguments, entry.graph)))
    convert_bag(
        packages,
        [[float(file.source in (None, source)) for source in SOURCES] for file in entry.files],
        place,
        name=entry.name,
        version=entry.version,
        licence=entry.licence,
    )
    for package in packages:
        package.path.unlink()
    return place


def fill(disk: Path, free: int) -> None:
    """Write a file that leaves `free` bytes of the disk."""
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - free))


def content(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder: relative path -> content, without lock files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def imported(path: Path, **options: Any) -> list[Imported]:
    """Import all models of a file."""
    return list(import_models(path, **options))


def is_empty(models: Path) -> bool:
    """Whether no model is installed, not even partly."""
    return not models.exists() or all(path.suffix == ".lock" for path in models.iterdir())


def members(folder: Path, name: str) -> dict[str, bytes]:
    """Return the files of a model folder as they are called in a tar file."""
    return {f"{name}/{file}": data for file, data in content(folder).items()}


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar file as GNU tar writes it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mount a folder read-only over itself, as even root can write into folders without permission."""
    commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,bind,ro", folder])
    if any(subprocess.run(command, capture_output=True, check=False).returncode for command in commands):
        pytest.skip("this user can't mount a folder")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def entries(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, CatalogEntry]:
    """The catalogue, with small graphs. `htdemucs` and the bag `htdemucs_ft` are installed."""
    entries = install_small_catalog(monkeypatch, tmp_path / "graphs")
    install(entries["htdemucs"])
    install(entries["htdemucs_ft"])
    return entries


@pytest.fixture
def exported(entries: Mapping[str, CatalogEntry], tmp_path: Path) -> Path:
    """A file with both models."""
    export_models(tmp_path / "models.tar")
    return tmp_path / "models.tar"


@pytest.fixture
def other(tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models on another machine, which has none. It is in use."""
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "other"))
    return tmp_path / "other" / "models"
