"""The server as the endpoint runs it: ready when the model is, 503 once it is told to stop, and then soon gone."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.aws.container.room import Container, Room

from unbraid.aws.container import answers
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.requests import MAX_BYTES
from unbraid.aws.container.separators import ThreadSafeSeparators
from unbraid.aws.container.server import create_app
from unbraid.jobs.limits import Limits
from unbraid.jobs.session import State, new_id

Start = Callable[..., Container]


@pytest.fixture
def start(room: Room, tmp_path: Path) -> Iterator[Start]:
    """Starts containers, which are gone after the test."""
    started: list[Container] = []

    def start_one(**environment: str) -> Container:
        log = tmp_path / f"log{len(started)}"
        started.append(Container.start({**room.environment, "TMPDIR": str(tmp_path), **environment}, log))
        return started[-1]

    yield start_one
    for container in started:
        container.close()


def test_it_is_ready_once_the_model_is_loaded_and_separates(room: Room, start: Start, short: Path) -> None:
    container = start()
    assert container.ping() == 503
    session = room.bring(short)
    answer = container.invoke(room.request(session))  # before it is ready: it waits until it is
    assert (answer[0], answer[1]["session_id"]) == (200, session.id)
    assert container.ping() == 200
    assert container.invoke({"session_id": "a"})[0] == 400
    assert {json.loads(line)["level"] for line in container.said().splitlines()} == {"INFO"}
    # What goes wrong is written down, with nothing that leads to the song.
    given = room.request(replace(session, id=new_id()))
    del given["dispatch"]
    assert container.invoke({**given, "output_s3_prefix": "s3://nobodys-bucket/stems"})[0] == 500
    assert "NoSuchBucket" in container.said()
    assert [private for private in (session.id, given["session_id"]) if private in container.said()] == []


def test_two_processes_do_the_work_once_and_one_that_is_killed_loses_nothing(
    room: Room, start: Start, long: Path
) -> None:
    session = room.bring(long)
    request, first, second = room.request(session), start(), start()
    with ThreadPoolExecutor() as pool:
        lost = pool.submit(first.invoke, request)
        record = room.until(session.id, State.IN_PROGRESS, begun=True)
        asked = pool.submit(second.until_ready().invoke, request)
        assert room.record(session.id).attempts == 1
        first.process.kill()
        assert lost.exception() is not None
        assert record.worker is not None
        assert room.leases.reclaim(session.id, record.worker)
        assert asked.result()[0] == 200
    assert room.record(session.id).attempts == 2


def test_told_to_stop_it_gives_its_song_back_refuses_and_leaves(room: Room, start: Start, long: Path) -> None:
    session, container = room.bring(long), start().until_ready()
    room.dispatched()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(container.invoke, room.request(session))
        room.until(session.id, State.IN_PROGRESS, begun=True)
        told = time.monotonic()
        container.process.send_signal(signal.SIGTERM)
        record = room.until(session.id, State.PENDING)
        assert time.monotonic() - told < 3
        assert asked.result()[0] == 503
    assert container.process.wait(20) == 0
    assert time.monotonic() - told < 15
    assert (record.attempts, record.worker) == (0, None)
    assert [sent["dispatch"] for sent in room.dispatched()] == [f"{session.id}.{record.version}"]
    assert room.files() == []


def test_it_ends_with_a_word_where_it_cant_start(start: Start) -> None:
    container = start(UNBRAID_MODELS="htdemucs")  # which is not here, and can't be downloaded
    assert container.process.wait(30) == 1
    assert "UNBRAID_OFFLINE is set" in container.said()


class Stuck(Invocations):
    """In the middle of a segment that takes longer than there is time."""

    def __init__(self, released: threading.Event) -> None:
        super().__init__(None, "", Limits(), None, ThreadSafeSeparators(), Path())
        self.released = released

    def answer(self, body: bytes) -> Answer:
        self.released.wait(30)
        return answers.INTERNAL_ERROR


def test_what_doesnt_end_in_time_is_answered_without_it_and_from_then_on_ping_refuses() -> None:
    released, loaded = threading.Event(), threading.Event()
    calls = Stuck(released)
    client = TestClient(create_app(calls, loaded))
    assert client.get("/ping").status_code == 503
    loaded.set()
    assert client.get("/ping").status_code == 200
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.post, "/invocations", json={})
        calls.stop.set()
        assert client.get("/ping").status_code == 503
        assert asked.result(10).status_code == 503
    released.set()


def test_a_song_in_the_request_itself_is_refused() -> None:
    client = TestClient(create_app(Stuck(threading.Event()), threading.Event()))
    answer = client.post("/invocations", content=bytes(MAX_BYTES + 1))
    assert answer.status_code == 413
    assert "S3 address" in answer.json()["error"]
