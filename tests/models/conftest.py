"""A cache and a network of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models import stand_in
from tests.models.file_server import FileServer, serving
from tests.models.served import BODY, NAME, model_file

from unbraid.models.download import ModelFile


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, which isn't there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("UNBRAID_CACHE", str(folder))
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A file server that may be reached."""
    monkeypatch.delenv("UNBRAID_OFFLINE", raising=False)
    monkeypatch.delenv("UNBRAID_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def file(server: FileServer) -> ModelFile:
    """A file that the server has."""
    server.files[NAME] = BODY
    return model_file(server.address)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The folder for downloads, which isn't there yet."""
    return tmp_path / "cache" / "downloads"


@pytest.fixture
def models(server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of installed models, empty; those of the catalogue come from `server`."""
    stand_in.put_in_place(server.address, monkeypatch.setattr)
    server.files = stand_in.files()
    return cache / "models"
