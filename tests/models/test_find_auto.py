"""`auto` takes the best available model, and says so if that is the bundled one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.file_server import Fault, FileServer

from unbraid.errors import ModelError
from unbraid.models import find_installed, find_model


def test_auto_downloads_the_best_model(models: Path) -> None:
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "htdemucs"
    assert notices == []


def test_auto_falls_back_to_the_bundled_model_with_a_notice(
    models: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    assert find_model("auto", notice=notices.append).name == "lite"
    assert notices == [
        "htdemucs can't be downloaded: UNBRAID_OFFLINE is set. Using lite instead, which is far weaker. "
        "To get htdemucs: unbraid models pull htdemucs"
    ]
    assert server.requests == []
    assert find_installed("auto").name == "lite"


def test_auto_tries_the_download_once(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(503, {"Retry-After": "30"})], True
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(server.requests) == 1
    assert "127.0.0.1 answers 503" in notices[0]


@pytest.mark.parametrize(
    ("setting", "value"), [("http_proxy", "http://127.0.0.1:abc"), ("UNBRAID_MIRROR", "http://[x")]
)
def test_auto_falls_back_if_a_setting_is_invalid(
    models: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(notices) == 1 and "\n" not in notices[0]
    with pytest.raises(ModelError, match="htdemucs can't be downloaded"):
        find_model("htdemucs")


def test_auto_falls_back_if_the_cache_is_not_writable(models: Path, cache: Path, server: FileServer) -> None:
    cache.write_text("a file where the folder should be")
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert "Set UNBRAID_CACHE to another folder" in notices[0]
