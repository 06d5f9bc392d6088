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
from tests.jobs.memory import SONG, MemoryJobs, MemoryObjects, Told
from tests.simulators.moto_server import new_bucket
from tests.simulators.relay import Answer, Call, server

from unbraid.aws.endpoint import Endpoint
from unbraid.aws.queue import Queue
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Dispatcher
from unbraid.jobs.service import Service
from unbraid.jobs.session import State
from unbraid.local.factory import open_service
from unbraid.local.settings import Settings


@dataclass
class Works:
    """A service, and those who work for it."""

    service: Service
    heard: Callable[[], list[str]]
    """Ids of the sessions that they have heard of since they were last asked, or that they find waiting."""
    song: Path
    """Where a file can be made."""

    def waiting(self) -> str:
        """The id of a new session that waits."""
        session = self.service.upload("Song.mp3", "audio/mpeg").session
        self.song.write_bytes(SONG)
        self.service.objects.put(self.song, session.input_key, "audio/mpeg")
        return self.service.start(session.id).id


def over_memory(dispatcher: Dispatcher) -> Service:
    return Service(MemoryJobs(), MemoryObjects(), dispatcher, Told(), Limits())


@pytest.fixture(params=["local", "endpoint", "queue"])
def works(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    if request.param == "local":  # workers look into the database
        service = open_service(Settings(data=tmp_path))
        yield Works(service, lambda: [session.id for session in service.jobs.pending(100)], tmp_path / "song")
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
    assert works.service.begin(session_id, "w") is not None
    assert works.heard() == []
    assert works.service.give_back(session_id, "w")
    assert works.heard() == [session_id]


def test_hearing_of_a_song_twice_is_one_job(works: Works) -> None:
    session_id = works.waiting()
    works.service.dispatcher.dispatch(works.service.get(session_id))
    begun = [works.service.begin(heard, f"worker {number}") for number, heard in enumerate(works.heard())]
    assert [session.id for session in begun if session is not None] == [session_id]
    assert works.service.get(session_id).state == State.IN_PROGRESS
