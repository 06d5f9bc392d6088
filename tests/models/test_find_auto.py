"""`auto` takes the best available model, and says so if that is the bundled one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.models.file_server import Fault, FileServer
from tests.models.small_catalog import entry

from unbraid.errors import ModelError
from unbraid.models import find_installed, find_model
from unbraid.models.auto import expected_choice


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
        "The models htdemucs and spleeter can't be downloaded: UNBRAID_OFFLINE is set. Using lite instead, which is "
        "far weaker. To get htdemucs: unbraid models pull htdemucs"
    ]
    assert server.requests == []
    assert find_installed("auto").name == "lite"


def test_auto_tries_the_download_once(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(503, {"Retry-After": "30"})], True
    notices: list[str] = []
    assert find_model("auto", notice=notices.append).name == "lite"
    assert len(server.requests) == 2  # htdemucs and spleeter
    assert "127.0.0.1 answers 503" in notices[0]


@pytest.mark.parametrize(
    ("setting", "value"), [("http_proxy", "http://127.0.0.1:abc"), ("all_proxy", "http://[x")]
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
    assert "spleeter_lite" not in notices[0]
    assert expected_choice() == "lite"  # the worker keeps its model, and the page says which


def test_fast_never_downloads_a_slow_model(models: Path, server: FileServer) -> None:
    assert find_model("fast", stems="vocals").name == "spleeter"
    assert len(server.requests) == 1
    assert find_installed("fast").name == "spleeter_lite"


def test_auto_separates_all_stems_with_a_bag_of_spleeter_and_lite(models: Path, server: FileServer) -> None:
    (best,) = entry("htdemucs").files
    del server.files[best.name]
    notices: list[str] = []
    model = find_model("auto", notice=notices.append)
    assert model.name == "spleeter_lite"
    assert [member.model.name for member in model.members] == ["spleeter", "lite"]
    assert notices[0].startswith("The model htdemucs can't be downloaded: 127.0.0.1 answers 404")
    assert "Using spleeter_lite instead, which is weaker." in notices[0]


def test_bag_needs_the_models_in_it(models: Path, server: FileServer) -> None:
    with pytest.raises(ModelError, match="spleeter_lite is not installed"):
        find_installed("spleeter_lite")
    server.files.clear()
    with pytest.raises(ModelError, match="spleeter can't be downloaded"):
        find_model("spleeter_lite")


def test_own_bag_may_consist_of_known_models(models: Path, tmp_path: Path) -> None:
    networks = [
        {"model": "htdemucs", "weights": {"vocals": 1, "drums": 1}},
        {"model": "lite", "weights": {"bass": 1}},
    ]
    description = {"name": "mine", "version": "1", "licence": "MIT", "networks": networks, "rest": "other"}
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.json").write_text(
        json.dumps({**description, "sources": ["drums", "bass", "other", "vocals"]})
    )
    assert [member.model.name for member in find_model(folder).members] == ["htdemucs", "lite"]
    networks[1]["model"] = "tasnet"
    (folder / "model.json").write_text(
        json.dumps({**description, "sources": ["drums", "bass", "other", "vocals"]})
    )
    with pytest.raises(ModelError, match=r"no model 'tasnet', which .*mine needs"):
        find_model(folder)
