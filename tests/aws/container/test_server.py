"""The server that the endpoint runs: ready once its model is loaded, and 503 once it must stop."""

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
from tests.aws.container.workspace import AwsWorkspace, LocalContainer

from unbraid.aws.container import answers
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.invocations import Invocations
from unbraid.aws.container.requests import MAX_BYTES
from unbraid.aws.container.separators import ThreadSafeSeparators
from unbraid.aws.container.server import create_app
from unbraid.jobs.limits import Limits
from unbraid.jobs.session import State, new_id

Start = Callable[..., LocalContainer]


@pytest.fixture
def start(workspace: AwsWorkspace, tmp_path: Path) -> Iterator[Start]:
    """Function that starts a container, which the fixture ends after the test."""
    started: list[LocalContainer] = []

    def start_container(**environment: str) -> LocalContainer:
        log = tmp_path / f"log{len(started)}"
        started.append(
            LocalContainer.start({**workspace.environment, "TMPDIR": str(tmp_path), **environment}, log)
        )
        return started[-1]

    yield start_container
    for container in started:
        container.close()


def test_is_ready_once_the_model_is_loaded(workspace: AwsWorkspace, start: Start, short: Path) -> None:
    container = start()
    assert container.ping() == 503
    session = workspace.submit(short)
    answer = container.invoke(workspace.request_for(session))  # sent while the model loads: waits for it
    assert (answer[0], answer[1]["session_id"]) == (200, session.id)
    assert container.ping() == 200
    assert container.invoke({"session_id": "a"})[0] == 400
    assert {json.loads(line)["level"] for line in container.log().splitlines()} == {"INFO"}
    # An error is logged without anything that identifies the song.
    request = workspace.request_for(replace(session, id=new_id()))
    del request["dispatch"]
    assert container.invoke({**request, "output_s3_prefix": "s3://missing-bucket/stems"})[0] == 500
    assert "NoSuchBucket" in container.log()
    assert [private for private in (session.id, request["session_id"]) if private in container.log()] == []


def test_two_processes_separate_once_and_a_killed_process_loses_nothing(
    workspace: AwsWorkspace, start: Start, long: Path
) -> None:
    session = workspace.submit(long)
    request, first, second = workspace.request_for(session), start(), start()
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(first.invoke, request)
        record = workspace.wait_for_state(session.id, State.IN_PROGRESS, begun=True)
        invocation = pool.submit(second.wait_until_ready().invoke, request)
        assert workspace.session(session.id).attempts == 1
        first.process.kill()
        assert killed.exception() is not None
        assert record.worker is not None
        assert workspace.leases.reclaim(session.id, record.worker)
        assert invocation.result()[0] == 200
    assert workspace.session(session.id).attempts == 2


def test_sigterm_releases_the_session_and_ends_the_process(
    workspace: AwsWorkspace, start: Start, long: Path
) -> None:
    session, container = workspace.submit(long), start().wait_until_ready()
    workspace.receive_dispatches()
    with ThreadPoolExecutor() as pool:
        invocation = pool.submit(container.invoke, workspace.request_for(session))
        workspace.wait_for_state(session.id, State.IN_PROGRESS, begun=True)
        signalled_at = time.monotonic()
        container.process.send_signal(signal.SIGTERM)
        record = workspace.wait_for_state(session.id, State.PENDING)
        assert time.monotonic() - signalled_at < 3
        assert invocation.result()[0] == 503
    assert container.process.wait(20) == 0
    assert time.monotonic() - signalled_at < 15
    assert (record.attempts, record.worker) == (0, None)
    assert [sent["dispatch"] for sent in workspace.receive_dispatches()] == [f"{session.id}.{record.version}"]
    assert workspace.list_keys() == []


def test_exits_with_a_message_if_it_cannot_start(start: Start) -> None:
    container = start(UNBRAID_MODELS="htdemucs")  # not in the cache, and not downloadable
    assert container.process.wait(30) == 1
    assert "UNBRAID_OFFLINE is set" in container.log()


class StuckInvocations(Invocations):
    """Invocations that compute a segment for longer than the time to stop."""

    def __init__(self, released: threading.Event) -> None:
        super().__init__(None, "", Limits(), None, ThreadSafeSeparators(), Path())
        self.released = released

    def answer(self, body: bytes) -> Answer:
        self.released.wait(30)
        return answers.INTERNAL_ERROR


def test_stop_answers_503_without_waiting_for_a_slow_segment() -> None:
    released, loaded = threading.Event(), threading.Event()
    invocations = StuckInvocations(released)
    client = TestClient(create_app(invocations, loaded))
    assert client.get("/ping").status_code == 503
    loaded.set()
    assert client.get("/ping").status_code == 200
    with ThreadPoolExecutor() as pool:
        invocation = pool.submit(client.post, "/invocations", json={})
        invocations.stop.set()
        assert client.get("/ping").status_code == 503
        assert invocation.result(10).status_code == 503
    released.set()


def test_rejects_a_song_in_the_request_body() -> None:
    client = TestClient(create_app(StuckInvocations(threading.Event()), threading.Event()))
    answer = client.post("/invocations", content=bytes(MAX_BYTES + 1))
    assert answer.status_code == 413
    assert "S3 address" in answer.json()["error"]
