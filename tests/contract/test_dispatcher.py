"""What the rules of sessions count on in whatever tells workers that there is something to do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from tests.jobs.memory import SONG, MemoryObjects, MemoryStore, Outbox
from tests.simulators.moto_server import new_bucket
from tests.simulators.relay import Answer, Call, server

from unbraid.aws.endpoint import Endpoint
from unbraid.aws.queue import Queue
from unbraid.jobs.leases import Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Dispatcher
from unbraid.jobs.service import Service
from unbraid.jobs.session import State
from unbraid.jobs.sessions import Sessions
from unbraid.local.factory import open_sessions
from unbraid.local.settings import Settings


@dataclass
class Works:
    """A dispatcher under test, and the workers that it dispatches to."""

    sessions: Sessions
    heard: Callable[[], list[str]]
    """Return the ids of sessions dispatched since the last call, or those that a polling worker finds waiting."""
    song: Path
    """Path for a temporary song."""

    @property
    def service(self) -> Service:
        return Service(self.sessions)

    @property
    def leases(self) -> Leases:
        return Leases(self.sessions)

    def waiting(self) -> str:
        """The id of a new session that waits."""
        session = self.service.upload("Song.mp3", "audio/mpeg").session
        self.song.write_bytes(SONG)
        self.sessions.objects.put(self.song, session.input_key, "audio/mpeg")
        return self.service.start(session.id).id


def over_memory(dispatcher: Dispatcher) -> Sessions:
    return Sessions(MemoryStore(), MemoryObjects(), dispatcher, Outbox(), Limits())


@pytest.fixture(params=["local", "endpoint", "queue"])
def works(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    if request.param == "local":  # workers look into the database
        sessions = open_sessions(Settings(data=tmp_path))
        yield Works(
            sessions, lambda: [session.id for session in sessions.store.pending(100)], tmp_path / "song"
        )
        return
    request.getfixturevalue("aws")
    if request.param == "endpoint":
        with sagemaker(monkeypatch) as heard:
            yield Works(over_memory(Endpoint("songs", new_bucket())), heard, tmp_path / "song")
        return
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]

    def messages() -> list[str]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["session_id"] for message in got]

    yield Works(over_memory(Queue(url, "songs")), messages, tmp_path / "song")


@contextmanager
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """An endpoint that reads what it is pointed to in the bucket."""
    places: list[str] = []

    def take(call: Call) -> Answer:
        places.append(call.headers["x-amzn-sagemaker-inputlocation"])
        return Answer(202, b"{}", {"content-type": "application/json"})

    def heard() -> list[str]:
        found = []
        while places:
            bucket, _, key = places.pop(0).removeprefix("s3://").partition("/")
            body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            found.append(json.loads(body)["session_id"])
        return found

    with server(take) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        yield heard


def test_whoever_works_hears_of_each_song_that_waits(works: Works) -> None:
    assert works.heard() == []
    ids = [works.waiting() for _ in range(3)]
    assert sorted(works.heard()) == sorted(ids)


def test_a_song_that_was_given_back_is_heard_of_again(works: Works) -> None:
    session_id = works.waiting()
    assert works.heard() == [session_id]
    assert works.leases.begin(session_id, "w") is not None
    assert works.heard() == []
    assert works.leases.release(session_id, "w")
    assert works.heard() == [session_id]


def test_hearing_of_a_song_twice_is_one_job(works: Works) -> None:
    session_id = works.waiting()
    works.sessions.dispatcher.dispatch(works.service.get(session_id))
    begun = [works.leases.begin(heard, f"worker {number}") for number, heard in enumerate(works.heard())]
    assert [session.id for session in begun if session is not None] == [session_id]
    assert works.service.get(session_id).state == State.IN_PROGRESS
