"""An MDX23C of the catalogue is downloaded with its config, installed, exported and imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.file_server import FileServer
from tests.models.mdx23c_files import SIZES, config_of, write_files
from tests.models.small_catalog import use_catalog

from unbraid.errors import ModelError
from unbraid.models import archive_export, archive_import, find_model
from unbraid.models.archive_export import export_models
from unbraid.models.archive_import import import_models
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.published import ModelFile

NAME = "mdx23c_drumsep"
PUBLISHED = ("kick", "snare", "toms", "hh", "ride", "crash")
PIECES = ("kick", "snare", "toms", "hihat", "ride", "crash")


@pytest.fixture
def entries(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, CatalogEntry]:
    """A catalogue of one model, whose files are on the server."""
    config = config_of()
    config["training"]["instruments"] = list(PUBLISHED)
    checkpoint = write_files(tmp_path / "published", replace(SIZES, stems=6), config=config)
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


def test_is_downloaded_converted_exported_and_imported(
    entries: Mapping[str, CatalogEntry], cache: Path, tmp_path: Path
) -> None:
    model = find_model(NAME)
    assert (model.name, model.sources, model.licence) == (NAME, PIECES, "unknown")
    before = {path.name: path.read_bytes() for path in model.folder.iterdir()}
    export_models(tmp_path / "models.tar", [NAME])
    (cache / "models").rename(tmp_path / "old")
    (imported,) = import_models(tmp_path / "models.tar")
    assert imported.problem is None
    assert {path.name: path.read_bytes() for path in find_model(NAME).folder.iterdir()} == before


def test_an_import_of_other_sizes_is_rejected(
    entries: Mapping[str, CatalogEntry], cache: Path, tmp_path: Path
) -> None:
    folder = find_model(NAME).folder
    description = json.loads((folder / "model.json").read_text())
    description["network"]["sizes"]["bins"] = 64
    (folder / "model.json").write_text(json.dumps(description))
    export_models(tmp_path / "models.tar", [NAME])
    (cache / "models").rename(tmp_path / "old")
    (imported,) = import_models(tmp_path / "models.tar")
    assert imported.problem == f"{NAME} is damaged in this file. Copy or export it again."


def test_other_stems_than_those_of_the_catalogue_are_an_error(
    entries: Mapping[str, CatalogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_catalog({NAME: replace(entries[NAME], sources=("kick", "snare"))}, monkeypatch.setattr)
    with pytest.raises(ModelError, match="separates kick, snare, toms, hihat, ride, crash, not kick, snare"):
        find_model(NAME)
