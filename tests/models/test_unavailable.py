"""A failed download of a model is remembered for a day, unless the settings of the network change."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.models.file_server import Fault, FileServer

from unbraid.errors import ModelError
from unbraid.models import find_model, unavailable
from unbraid.models.auto import expected_choice
from unbraid.models.unavailable import REMEMBERED_S, forget, recall, remember


@pytest.fixture(autouse=True)
def no_memory_of_this_process(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unavailable, "_here", {})


def test_remembers_the_cause_and_the_time() -> None:
    assert recall("htdemucs") is None
    remember("htdemucs", "no network")
    assert recall("htdemucs") == f"no network (tried at {time.strftime('%H:%M')})"
    assert recall("spleeter") is None


@pytest.mark.parametrize("age_s", [REMEMBERED_S + 1, -3600])
def test_forgets_after_a_day_and_if_the_clock_was_changed(age_s: float, cache: Path) -> None:
    remember("htdemucs", "no network")
    path = cache / "unavailable" / "htdemucs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"at": time.time() - age_s}))
    assert recall("htdemucs") is None


@pytest.mark.parametrize("setting", ["UNBRAID_MODEL_MIRROR", "https_proxy", "PIP_INDEX_URL"])
def test_other_settings_end_the_memory(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remember("htdemucs", "no network")
    monkeypatch.setenv(setting, "http://127.0.0.1:1")
    assert recall("htdemucs") is None


def test_forget_ends_the_memory() -> None:
    remember("htdemucs", "no network")
    forget()
    assert recall("htdemucs") is None


def test_settings_with_passwords_are_not_stored(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:1")
    remember("htdemucs", "no network")
    assert "secret" not in (cache / "unavailable" / "htdemucs.json").read_text()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"cause": 1}', b'{"cause": "a", "at": "b", "settings": "c"}']
)
def test_damaged_memory_counts_as_none(content: bytes, cache: Path) -> None:
    remember("htdemucs", "no network")
    (cache / "unavailable" / "htdemucs.json").write_bytes(content)
    assert recall("htdemucs") is None


def test_remembers_in_this_process_if_the_cache_is_not_writable(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    remember("htdemucs", "no network")
    assert recall("htdemucs") is not None
    forget()
    assert recall("htdemucs") is None


def test_next_song_does_not_wait_for_a_failed_source(models: Path, server: FileServer) -> None:
    server.faults, server.forever = [Fault(503)], True
    notices: list[str] = []
    assert find_model("auto", stems="vocals", notice=notices.append).name == "lite"
    requests = len(server.requests)
    assert expected_choice("vocals") == "lite"
    assert find_model("auto", stems="vocals", notice=notices.append).name == "lite"
    assert len(server.requests) == requests
    assert notices[0].startswith(
        "The models htdemucs and spleeter can't be downloaded: 127.0.0.1 answers 503"
    )
    assert f"(tried at {time.strftime('%H:%M')})" in notices[1]


def test_weaker_model_is_still_downloaded_while_a_better_one_is_remembered(
    models: Path, server: FileServer
) -> None:
    remember("htdemucs", "no network")
    assert expected_choice("vocals") == "spleeter"
    assert find_model("auto", stems="vocals").name == "spleeter"
    assert len(server.requests) == 1


def test_model_asked_for_by_name_is_tried_and_then_used_by_auto(models: Path) -> None:
    remember("htdemucs", "no network")
    assert find_model("htdemucs").name == "htdemucs"
    assert find_model("auto").name == "htdemucs"


def test_failure_of_a_model_asked_for_by_name_is_remembered_for_auto(
    models: Path, server: FileServer
) -> None:
    server.files.clear()
    with pytest.raises(ModelError):
        find_model("htdemucs")
    assert recall("htdemucs") is not None


def test_forbidden_downloads_are_not_remembered(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    assert find_model("auto").name == "lite"
    monkeypatch.delenv("UNBRAID_OFFLINE")
    assert find_model("auto").name == "htdemucs"
