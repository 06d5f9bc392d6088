"""Addresses that were given are somebody else's: what is there and isn't ours stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.aws.container.room import Room

from unbraid.aws import clients
from unbraid.aws.container.given import REMEMBERED, GivenObjects, GivenSessions
from unbraid.aws.container.requests import Invocation, Place
from unbraid.jobs.ports import Changed
from unbraid.jobs.session import Choices, Session, State


def session(number: int, state: State = State.COMPLETED) -> Session:
    return Session(f"id-{number}", "song.wav", "", "inputs/x/song.wav", 0.0, 0.0, 1.0, state=state)


def test_only_what_was_put_here_is_deleted(room: Room, short: Path) -> None:
    song, output = Place(room.bucket, "place/id/song.wav"), Place(room.bucket, "place")
    theirs = [room.put(short, "place/id/song.wav"), room.put(short, "place/id/vocals.wav")]
    objects = GivenObjects(clients.client("s3"), Invocation("id", song, output, Choices(), None))
    assert objects.delete("outputs/id/") == 0
    objects.put(short, "outputs/id/drums.wav", "audio/wav")
    assert "place/id/drums.wav" in room.files("place/")
    assert objects.delete("outputs/other/") == 0
    assert objects.delete("outputs/id/") == 1
    assert room.files("place/") == [uri.split("/", 3)[3] for uri in theirs]


def test_what_ended_first_is_forgotten_first_and_what_goes_on_never() -> None:
    sessions = GivenSessions()
    sessions.add(session(0, State.IN_PROGRESS))
    for number in range(1, REMEMBERED + 2):
        sessions.add(session(number))
    assert sessions.get("id-0") is not None
    assert sessions.get("id-1") is sessions.get("id-2") is None
    assert sessions.get("id-3") is not None
    with pytest.raises(Changed):
        sessions.add(session(3))
