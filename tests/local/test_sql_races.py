"""Concurrent processes: only one gets a session, and no session is lost or done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs.memory import SONG, MemoryObjects
from tests.local import race
from tests.local.race import RacingProcesses, open_sessions

from unbraid.jobs.service import Service
from unbraid.jobs.session import State
from unbraid.jobs.sessions import Sessions

PROCESSES = 4


@pytest.fixture(scope="module")
def processes() -> Iterator[RacingProcesses]:
    with race.start_processes(PROCESSES) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    return str(request.getfixturevalue("postgres_url"))


def queue(url: str, count: int) -> Sessions:
    """Open sessions with `count` pending songs."""
    sessions = open_sessions(url)
    service = Service(sessions)
    assert isinstance(sessions.objects, MemoryObjects)
    for _ in range(count):
        session = service.upload("song.mp3", "").session
        sessions.objects.files[session.input_key] = SONG
        service.start(session.id)
    return sessions


def take(url: str, count: int) -> tuple[Sessions, list[str]]:
    """Open sessions with `count` songs of a worker named `w`, and return their ids too."""
    sessions = queue(url, count)
    return sessions, race.take_all(url, "w")()


def test_processes_that_open_a_new_database_create_it_once(processes: RacingProcesses, url: str) -> None:
    assert processes.run(*[(race.count_sessions, {"url": url})] * PROCESSES) == [0] * PROCESSES


def test_workers_take_every_session_exactly_once(processes: RacingProcesses, url: str) -> None:
    calls = [(race.take_all, {"url": url, "worker": f"w{number}"}) for number in range(PROCESSES)]
    taken: list[list[str]] = [[] for _ in range(PROCESSES)]
    rounds = 0
    # On a busy machine, one process may have taken all before the others begin.
    while sum(map(bool, taken)) < 2 and rounds < 10:
        rounds += 1
        sessions = queue(url, 40)
        for ids, more in zip(taken, processes.run(*calls), strict=True):
            ids.extend(more)
    working = sessions.store.in_progress()
    assert Counter(session_id for ids in taken for session_id in ids) == Counter(
        session.id for session in working
    )
    assert len(working) == 40 * rounds
    assert {session.attempts for session in working} == {1}
    assert all(session.id in taken[int(str(session.worker)[1:])] for session in working)
    assert sum(map(bool, taken)) > 1, "there was no race"


def test_only_one_worker_begins_a_session(processes: RacingProcesses, url: str) -> None:
    sessions = queue(url, 20)
    ids = [session.id for session in sessions.store.pending(100)]
    calls = [
        (race.begin_all, {"url": url, "worker": f"w{number}", "ids": ids}) for number in range(PROCESSES)
    ]
    assert sorted(session_id for begun in processes.run(*calls) for session_id in begun) == sorted(ids)


def test_concurrent_sweepers_requeue_the_sessions_of_a_dead_worker_once(
    processes: RacingProcesses, url: str
) -> None:
    sessions, ids = take(url, 20)
    assert sum(processes.run(*[(race.recover, {"url": url})] * PROCESSES)) == 20
    waiting = sessions.store.pending(100)
    assert {session.id for session in waiting} == set(ids)
    assert {session.version for session in waiting} == {3}  # queued, taken, requeued


def test_concurrent_completion_and_cancellation_agree_on_one_state(
    processes: RacingProcesses, url: str
) -> None:
    sessions, ids = take(url, 20)
    cancel = (race.cancel_all, {"url": url, "ids": ids})
    complete = (race.complete_all, {"url": url, "worker": "w", "ids": ids})
    completed, *cancelled = processes.run(complete, *[cancel] * (PROCESSES - 1))
    states = [Service(sessions).get(session_id).state for session_id in ids]
    assert completed == [state == State.COMPLETED for state in states]
    assert cancelled == [states] * (PROCESSES - 1)
