"""What `auto` takes: the good model where it can be had, else the bundled one, and it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.models.file_server import Fault, FileServer

from unbraid.errors import ModelError
from unbraid.models import find_installed, find_model


def test_auto_gets_the_good_model_where_it_can(models: Path) -> None:
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "htdemucs"
    assert notices == []


def test_auto_takes_the_bundled_model_where_it_must_and_says_so(
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


def test_auto_tries_once(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(503, {"Retry-After": "30"})], True
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(server.requests) == 1
    assert "127.0.0.1 answers 503" in notices[0]


@pytest.mark.parametrize(
    ("setting", "value"), [("http_proxy", "http://127.0.0.1:abc"), ("UNBRAID_MIRROR", "http://[x")]
)
def test_auto_takes_the_bundled_model_where_a_setting_makes_no_sense(
    models: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(notices) == 1 and "\n" not in notices[0]
    with pytest.raises(ModelError, match="htdemucs can't be downloaded"):
        find_model("htdemucs")


def test_auto_takes_the_bundled_model_where_the_cache_cannot_be_written(
    models: Path, cache: Path, server: FileServer
) -> None:
    cache.write_text("a file where the folder should be")
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert "Set UNBRAID_CACHE to another folder" in notices[0]
