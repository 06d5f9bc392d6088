"""The run that teaches a model: its state in files, and its worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from unbraid.errors import Busy, InputError, SessionNotFound, SettingError
from unbraid.jobs.session import State
from unbraid.local import teaching_worker
from unbraid.local.teaching import CHECK, ERROR, MODELS, RESULT, SONGS, Phase, Teaching, Wanted


@pytest.fixture
def teaching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Teaching:
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "own"))
    return Teaching(tmp_path / "data")


def add(teaching: Teaching, path: str, owner: str | None = "me") -> None:
    with teaching.receive(path, owner) as file:
        file.file.write(b"sound")
        file.commit()


def checked(teaching: Teaching) -> None:
    """Add a song, and check it as the worker does."""
    add(teaching, "One/vocals.wav")
    teaching.check("me")
    teaching.write(CHECK, {"problem": None})


def started(teaching: Teaching, keep_stems: bool = False) -> None:
    checked(teaching)
    teaching.start("me", "mine", None, 60, keep_stems)


def ended(teaching: Teaching, keep_stems: bool = False) -> None:
    started(teaching, keep_stems)
    model = teaching.folder / MODELS / "mine"
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")
    teaching.write(RESULT, {})


def test_a_run_goes_from_songs_to_a_model_of_the_user(teaching: Teaching, tmp_path: Path) -> None:
    assert teaching.phase() == Phase.NONE
    add(teaching, "/music/One/vocals.wav")
    assert (teaching.phase(), teaching.stems()) == (Phase.COLLECTING, ["One/vocals.wav"])
    teaching.check("me")
    assert teaching.phase() == Phase.CHECKING
    teaching.write(CHECK, {"problem": None})
    assert teaching.phase() == Phase.CHECKED
    teaching.start("me", "mine", "lite", 60, False)
    # A server that starts now reads the same.
    again = Teaching(tmp_path / "data")
    run = again.run()
    assert run is not None and (run.wanted, run.name, run.base, run.minutes) == (
        Wanted.TEACH,
        "mine",
        "lite",
        60,
    )
    assert again.phase() == Phase.TEACHING
    (again.folder / MODELS / "mine").mkdir(parents=True)
    again.write(RESULT, {})
    assert again.phase() == Phase.ENDED
    again.finish("me", True)
    assert (tmp_path / "own" / "mine").is_dir()
    assert again.phase() == Phase.NONE and not again.folder.exists()


def test_stems_stay_only_if_asked(teaching: Teaching) -> None:
    ended(teaching, keep_stems=True)
    teaching.finish("me", True)
    assert (teaching.phase(), teaching.stems()) == (Phase.COLLECTING, ["One/vocals.wav"])
    teaching.finish("me", False)
    assert not teaching.folder.exists()


def test_discarded_model_is_gone(teaching: Teaching, tmp_path: Path) -> None:
    ended(teaching)
    teaching.finish("me", False)
    assert not teaching.folder.exists() and not (tmp_path / "own").exists()


def test_a_stopped_run_continues_with_the_same_settings_only(teaching: Teaching) -> None:
    started(teaching)
    (teaching.folder / MODELS / ".runs").mkdir(parents=True)
    teaching.note({"event": "score", "steps": 0})
    teaching.stop("me")
    assert teaching.phase() == Phase.CHECKED
    teaching.start("me", "mine", None, 60, False)
    assert (teaching.folder / MODELS / ".runs").exists() and teaching.events()
    teaching.stop("me")
    teaching.start("me", "mine", None, 15, False)
    assert not (teaching.folder / MODELS / ".runs").exists() and not teaching.events()


def test_the_run_is_its_owners(teaching: Teaching) -> None:
    with pytest.raises(SessionNotFound):
        teaching.check("me")
    add(teaching, "One/vocals.wav")
    with pytest.raises(Busy):
        add(teaching, "Two/vocals.wav", "other")
    with pytest.raises(Busy):
        teaching.finish("other", False)
    with pytest.raises(Busy):
        teaching.clip("after-0.wav", "other")


@pytest.mark.parametrize(
    "path", ["One/../vocals.wav", "One/.hidden", "", "One/a\\b.wav", "One/" + "x" * 201, "a\n/b"]
)
def test_refuses_names_that_are_no_files(teaching: Teaching, path: str) -> None:
    with pytest.raises(InputError):
        teaching.receive(path, "me")
    assert not teaching.folder.exists()


def test_wrong_order_and_wrong_settings(teaching: Teaching, tmp_path: Path) -> None:
    add(teaching, "One/vocals.wav")
    with pytest.raises(Busy, match="checked first"):
        teaching.start("me", "mine", None, 60, False)
    with pytest.raises(Busy, match="ready"):
        teaching.finish("me", True)
    checked(teaching)
    for name, minutes in (("../x", 60), ("htdemucs", 60), ("mine", 1e9)):
        with pytest.raises(SettingError):
            teaching.start("me", name, None, minutes, False)
    (tmp_path / "own" / "mine").mkdir(parents=True)
    with pytest.raises(SettingError, match="already"):
        teaching.start("me", "mine", None, 60, False)
    teaching.write(CHECK, {"problem": "All silent."})
    with pytest.raises(InputError):
        teaching.start("me", "other", None, 60, False)
    started_name = "third"
    teaching.write(CHECK, {"problem": None})
    teaching.start("me", started_name, None, 60, False)
    with pytest.raises(Busy, match="being taught"):
        add(teaching, "Two/vocals.wav")


def test_a_half_written_event_is_left_out(teaching: Teaching) -> None:
    started(teaching)
    teaching.note({"event": "start"})
    with (teaching.folder / "events.jsonl").open("a") as file:
        file.write('{"event": "sc')
    assert teaching.events() == [{"event": "start"}]


def test_worker_pauses_while_songs_wait(teaching: Teaching, monkeypatch: pytest.MonkeyPatch) -> None:
    started(teaching)
    monkeypatch.setattr(teaching_worker, "POLL_S", 0)
    waiting = [{State.PENDING: 1}, {State.IN_PROGRESS: 1}, {State.COMPLETED: 3}]

    class Store:
        def counts(self) -> Mapping[State, int]:
            return waiting.pop(0)

    teaching_worker.wait_for_songs(teaching, Store())  # type: ignore[arg-type]
    assert [event["event"] for event in teaching.events()] == ["paused", "resumed"]
    assert waiting == []


def test_worker_checks_and_says_why_it_cannot(teaching: Teaching) -> None:
    add(teaching, "One/vocals.wav")
    teaching_worker.check(teaching)
    found = json.loads((teaching.folder / CHECK).read_text())
    assert found["problem"] and not found["songs"][0]["usable"]
    assert not (teaching.folder / ERROR).exists() and (teaching.folder / SONGS).exists()


def test_server_and_worker_import_nothing_for_aws() -> None:
    """The extra `aws` may be missing."""
    program = "import sys, unbraid.web.server, unbraid.local.teaching_worker; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    modules = found.stdout.split()
    assert "unbraid.local.teaching" in modules
    assert [name for name in modules if name.startswith(("unbraid.aws", "boto"))] == []
