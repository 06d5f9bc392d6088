"""Of processes that want the same at the same moment one gets it, and nothing is lost or done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs.memory import SONG, MemoryObjects
from tests.local import racers
from tests.local.racers import Racers, open_sessions

from unbraid.jobs.service import Service
from unbraid.jobs.session import State
from unbraid.jobs.sessions import Sessions

PROCESSES = 4


@pytest.fixture(scope="module")
def crew() -> Iterator[Racers]:
    with racers.racers(PROCESSES) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    return str(request.getfixturevalue("postgres_url"))


def queue(url: str, count: int) -> Sessions:
    """A service where so many songs wait."""
    sessions = open_sessions(url)
    service = Service(sessions)
    assert isinstance(sessions.objects, MemoryObjects)
    for _ in range(count):
        session = service.upload("song.mp3", "").session
        sessions.objects.files[session.input_key] = SONG
        service.start(session.id)
    return sessions


def at_work(url: str, count: int) -> tuple[Sessions, list[str]]:
    """A service where a worker named `w` has so many songs; their ids."""
    sessions = queue(url, count)
    return sessions, racers.take_all(url, "w")()


def test_a_new_database_is_made_once_by_all_who_open_it(crew: Racers, url: str) -> None:
    assert crew.race(*[(racers.look, {"url": url})] * PROCESSES) == [0] * PROCESSES


def test_two_workers_never_take_one_session_and_none_is_left(crew: Racers, url: str) -> None:
    sessions = queue(url, 40)
    calls = [(racers.take_all, {"url": url, "worker": f"w{number}"}) for number in range(PROCESSES)]
    taken = crew.race(*calls)
    working = sessions.store.in_progress()
    assert Counter(one for ids in taken for one in ids) == Counter(session.id for session in working)
    assert len(working) == 40
    assert {session.attempts for session in working} == {1}
    assert all(session.id in taken[int(str(session.worker)[1:])] for session in working)
    assert sum(bool(ids) for ids in taken) > 1, "there was no race"


def test_of_many_who_begin_one_session_one_does(crew: Racers, url: str) -> None:
    sessions = queue(url, 20)
    ids = [session.id for session in sessions.store.pending(100)]
    calls = [
        (racers.begin_all, {"url": url, "worker": f"w{number}", "ids": ids}) for number in range(PROCESSES)
    ]
    assert sorted(one for begun in crew.race(*calls) for one in begun) == sorted(ids)


def test_what_a_dead_worker_had_is_put_back_once_by_many_who_look(crew: Racers, url: str) -> None:
    sessions, ids = at_work(url, 20)
    assert sum(crew.race(*[(racers.recover, {"url": url})] * PROCESSES)) == 20
    waiting = sessions.store.pending(100)
    assert {session.id for session in waiting} == set(ids)
    assert {session.version for session in waiting} == {3}  # queued, taken, put back


def test_what_is_cancelled_when_it_is_done_is_either_and_all_hear_the_same(crew: Racers, url: str) -> None:
    sessions, ids = at_work(url, 20)
    cancel = (racers.cancel_all, {"url": url, "ids": ids})
    complete = (racers.complete_all, {"url": url, "worker": "w", "ids": ids})
    completed, *cancelled = crew.race(complete, *[cancel] * (PROCESSES - 1))
    found = [Service(sessions).get(one).state for one in ids]
    assert completed == [state == State.COMPLETED for state in found]
    assert cancelled == [found] * (PROCESSES - 1)
