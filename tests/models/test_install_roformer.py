"""A Roformer of the catalogue is downloaded with its config, installed, exported and imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.file_server import FileServer
from tests.models.roformer_files import BS, MEL, write_files
from tests.models.small_catalog import use_catalog

from unbraid.errors import ModelError
from unbraid.models import archive_export, archive_import, find_model
from unbraid.models.archive_export import export_models
from unbraid.models.archive_import import import_models
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.published import ModelFile
from unbraid.models.roformer import RoformerSizes

NAME = "melband_roformer_kim"


@pytest.fixture
def entries(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, CatalogEntry]:
    """A catalogue of one model, whose files are on the server."""
    return use(server, tmp_path, monkeypatch, MEL)


def use(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch, sizes: RoformerSizes
) -> Mapping[str, CatalogEntry]:
    checkpoint = write_files(folder / "published", sizes)
    files = []
    for path in (checkpoint, checkpoint.with_suffix(".yaml")):
        content = server.files[path.name] = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files.append(ModelFile(f"{server.address}/{path.name}", digest, len(content)))
    entries = {NAME: replace(catalog()[NAME], files=tuple(files))}
    use_catalog(entries, monkeypatch.setattr)
    for module in (archive_export, archive_import):
        monkeypatch.setattr(module, "catalog", lambda: entries)
    return entries


def test_downloads_and_converts_both_files(entries: Mapping[str, CatalogEntry], cache: Path) -> None:
    model = find_model(NAME)
    assert (model.name, model.sources, model.rest) == (NAME, ("vocals", "no_vocals"), "no_vocals")
    assert model.licence == "MIT"
    assert entries[NAME].installed
    assert not [path for path in (cache / "downloads").iterdir() if not path.name.startswith(".")]


def test_export_and_import(entries: Mapping[str, CatalogEntry], cache: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in find_model(NAME).folder.rglob("*.*")}
    export_models(tmp_path / "models.tar", [NAME])
    (cache / "models").rename(tmp_path / "old")
    (imported,) = import_models(tmp_path / "models.tar")
    assert imported.problem is None
    assert {path.name: path.read_bytes() for path in find_model(NAME).folder.rglob("*.*")} == before


@pytest.mark.parametrize("change", ["graph", "sizes"])
def test_an_import_of_another_graph_is_rejected(
    entries: Mapping[str, CatalogEntry], cache: Path, tmp_path: Path, change: str
) -> None:
    network = find_model(NAME).members[0].model.folder
    description = json.loads((network / "model.json").read_text())
    if change == "graph":
        (network / "graph.onnx").write_bytes((network / "graph.onnx").read_bytes() + b"\0")
        digest = hashlib.sha256((network / "graph.onnx").read_bytes()).hexdigest()
        description["sha256"]["graph.onnx"] = digest
    else:
        description["network"]["sizes"]["heads"] = 4
    (network / "model.json").write_text(json.dumps(description))
    export_models(tmp_path / "models.tar", [NAME])
    (cache / "models").rename(tmp_path / "old")
    (imported,) = import_models(tmp_path / "models.tar")
    assert imported.problem is not None and "damaged" in imported.problem
    assert not entries[NAME].installed


def test_other_stems_than_the_catalogue_says_are_an_error(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(server, tmp_path, monkeypatch, BS)
    with pytest.raises(ModelError, match="separates kick, snare, übung, not vocals, no_vocals"):
        find_model(NAME)
