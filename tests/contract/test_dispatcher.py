"""Contract of every Dispatcher."""

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
class DispatcherSetup:
    """A dispatcher under test, and the work that its workers receive."""

    sessions: Sessions
    dispatched: Callable[[], list[str]]
    """Return the ids of sessions dispatched since the last call, or, for polling workers, of all waiting sessions."""
    song: Path
    """Path for a temporary song."""

    @property
    def service(self) -> Service:
        return Service(self.sessions)

    @property
    def leases(self) -> Leases:
        return Leases(self.sessions)

    def waiting(self) -> str:
        """Create a PENDING session; return its id."""
        session = self.service.upload("Song.mp3", "audio/mpeg").session
        self.song.write_bytes(SONG)
        self.sessions.objects.put(self.song, session.input_key, "audio/mpeg")
        return self.service.start(session.id).id


def over_memory(dispatcher: Dispatcher) -> Sessions:
    return Sessions(MemoryStore(), MemoryObjects(), dispatcher, Outbox(), Limits())


@pytest.fixture(params=["local", "endpoint", "queue"])
def setup(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DispatcherSetup]:
    if request.param == "local":  # workers poll the database
        sessions = open_sessions(Settings(data=tmp_path))
        yield DispatcherSetup(
            sessions, lambda: [session.id for session in sessions.store.pending(100)], tmp_path / "song"
        )
        return
    request.getfixturevalue("aws")
    if request.param == "endpoint":
        with sagemaker(monkeypatch) as dispatched:
            yield DispatcherSetup(over_memory(Endpoint("songs", new_bucket())), dispatched, tmp_path / "song")
        return
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex}")["QueueUrl"]

    def messages() -> list[str]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["session_id"] for message in got]

    yield DispatcherSetup(over_memory(Queue(url, "songs")), messages, tmp_path / "song")


@contextmanager
def sagemaker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Simulate an endpoint that reads its requests from the bucket."""
    locations: list[str] = []

    def take(call: Call) -> Answer:
        locations.append(call.headers["x-amzn-sagemaker-inputlocation"])
        return Answer(202, b"{}", {"content-type": "application/json"})

    def dispatched() -> list[str]:
        ids = []
        while locations:
            bucket, _, key = locations.pop(0).removeprefix("s3://").partition("/")
            body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            ids.append(json.loads(body)["session_id"])
        return ids

    with server(take) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        yield dispatched


def test_workers_receive_each_waiting_session(setup: DispatcherSetup) -> None:
    assert setup.dispatched() == []
    ids = [setup.waiting() for _ in range(3)]
    assert sorted(setup.dispatched()) == sorted(ids)


def test_released_session_is_dispatched_again(setup: DispatcherSetup) -> None:
    session_id = setup.waiting()
    assert setup.dispatched() == [session_id]
    assert setup.leases.begin(session_id, "w") is not None
    assert setup.dispatched() == []
    assert setup.leases.release(session_id, "w")
    assert setup.dispatched() == [session_id]


def test_duplicate_dispatch_is_one_job(setup: DispatcherSetup) -> None:
    session_id = setup.waiting()
    setup.sessions.dispatcher.dispatch(setup.service.get(session_id))
    begun = [
        setup.leases.begin(dispatched, f"worker {number}")
        for number, dispatched in enumerate(setup.dispatched())
    ]
    assert [session.id for session in begun if session is not None] == [session_id]
    assert setup.service.get(session_id).state == State.IN_PROGRESS
