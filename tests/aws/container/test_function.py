"""The image as a function fed by a queue: a message is worked on once; what takes too long fails in words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.aws.container.room import Room

from unbraid.aws.container import function
from unbraid.jobs import heartbeat
from unbraid.jobs.session import Session, State


class Context:
    """What Lambda tells of a call that has so much time."""

    def __init__(self, seconds: float = 900.0) -> None:
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * (self._until - time.monotonic()))


@pytest.fixture(autouse=True)
def environment(room: Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, said in {**room.environment, "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, said)
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    monkeypatch.setattr(
        function.logs, "set_up", lambda service: None
    )  # of the process, which is that of the tests
    function._invocations.cache_clear()
    yield
    function._invocations.cache_clear()


def message(room: Room, session: Session, name: str = "m") -> dict[str, Any]:
    return {"messageId": name, "body": json.dumps(room.request(session)), "eventSource": "aws:sqs"}


def handle(*messages: dict[str, Any], seconds: float = 900.0) -> list[str]:
    """Names of the messages that are to be delivered again."""
    answer = function.handler({"Records": list(messages)}, Context(seconds))
    assert answer.keys() == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_message_is_worked_on_once_however_often_it_comes(room: Room, short: Path) -> None:
    session = room.bring(short)
    assert handle(message(room, session), message(room, session)) == []
    record = room.record(session.id)
    assert (record.state, record.attempts) == (State.COMPLETED, 1)
    assert f"outputs/{session.id}/vocals.wav" in room.files()
    assert handle(message(room, session)) == []
    assert room.record(session.id) == record


def test_what_somebody_else_is_at_and_what_was_deleted_is_left_alone(room: Room, short: Path) -> None:
    session, gone = room.bring(short), room.bring(short)
    room.leases.begin(session.id, "somebody else")
    room.service.cleanup(gone.id)
    assert handle(message(room, session), message(room, gone)) == []
    assert room.record(session.id).worker == "somebody else"
    assert room.files() == []


def test_a_song_that_cant_be_separated_is_no_failure_of_its_message(room: Room, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nothing of the kind")
    session = room.bring(song)
    assert handle(message(room, session)) == []
    assert room.record(session.id).state == State.FAILED


def test_of_a_batch_only_what_failed_comes_again(room: Room, short: Path) -> None:
    session = room.bring(short)
    broken = {"messageId": "broken", "body": "no JSON"}
    assert handle(broken, message(room, session, "good")) == ["broken"]
    assert room.record(session.id).state == State.COMPLETED


def test_a_song_that_takes_too_long_fails_before_the_deadline_with_what_to_do(
    room: Room, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "MARGIN_S", 0.7)
    session, begun = room.bring(long), time.monotonic()
    assert handle(message(room, session), seconds=1.6) == []
    assert time.monotonic() - begun < 1.6
    record = room.record(session.id)
    assert record.state == State.FAILED
    assert (record.error_message or "").startswith("Separating this song takes longer than the 15 minutes")
    assert "smaller model" in (record.error_message or "")


def test_without_time_to_begin_the_message_comes_again(room: Room, short: Path) -> None:
    session = room.bring(short)
    assert handle(message(room, session, "late"), seconds=20.0) == ["late"]
    assert room.record(session.id).state == State.PENDING
