"""A temporary cache and a local file server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models import small_catalog
from tests.models.archive_models import entries, exported, other
from tests.models.file_server import FileServer, serving
from tests.models.served_file import BODY, NAME, model_file

from unbraid.models.published import ModelFile

__all__ = ["entries", "exported", "other"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the cache folder, which doesn't exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("UNBRAID_CACHE", str(folder))
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A file server, with downloads allowed and no proxy."""
    monkeypatch.delenv("UNBRAID_OFFLINE", raising=False)
    monkeypatch.delenv("UNBRAID_MODEL_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def file(server: FileServer) -> ModelFile:
    """A file on the server."""
    server.files[NAME] = BODY
    return model_file(server.address)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The path of the folder for downloads, which doesn't exist yet."""
    return tmp_path / "cache" / "downloads"


@pytest.fixture
def models(server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the folder of installed models. The catalogue's files are on `server`."""
    small_catalog.install_catalog(server.address, monkeypatch.setattr)
    server.files = small_catalog.files()
    return cache / "models"
