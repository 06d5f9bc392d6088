"""Contract of every JobStore."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs.memory import MemoryStore
from tests.simulators.moto_server import new_table

from unbraid.aws.jobs import DynamoStore
from unbraid.errors import Fault
from unbraid.jobs.ports import Changed, JobStore
from unbraid.jobs.session import Choices, Output, Session, State, new_id
from unbraid.local.sql import SqlStore


@pytest.fixture(params=["memory", "sqlite", "postgresql", "dynamodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "dynamodb":
        request.getfixturevalue("aws")
        yield DynamoStore(new_table())
        return
    sqlite = request.param == "sqlite"
    sql = SqlStore(f"sqlite:///{tmp_path}/jobs.db" if sqlite else request.getfixturevalue("postgres_url"))
    yield sql
    sql.close()


def session(state: State = State.AWAITING_UPLOAD, **fields: object) -> Session:
    """Return a record with a new id."""
    session_id = new_id()
    defaults = {
        "id": session_id,
        "file_name": "song.mp3",
        "file_type": "audio/mpeg",
        "input_key": f"inputs/{session_id}/song.mp3",
        "created_at": 1.0,
        "updated_at": 1.0,
        "expires_at": 100.0,
    }
    return Session(**(defaults | {"state": state} | fields))  # type: ignore[arg-type]


def added(store: JobStore, state: State = State.AWAITING_UPLOAD, **fields: object) -> Session:
    new = session(state, **fields)
    store.add(new)
    return new


def test_record_round_trips(store: JobStore) -> None:
    full = session(
        State.COMPLETED,
        file_name="Für Elise – „live“ 🎹 \\ % '\".mp3",
        owner="user:https://accounts.example.org 42",
        batch=new_id(),
        choices=Choices("htdemucs", "all", "flac", True, "someone@example.org"),
        size=5_000_000_000,
        created_at=1795416279.123456,
        duration_s=0.1 + 0.2,
        queued_at=2.5,
        started_at=3.5,
        finished_at=4.5,
        progress=1 / 3,
        stage="separating",
        worker="w",
        lease_until=20.25,
        attempts=2,
        model_used="htdemucs",
        bpm=119.6,
        musical_key="A minor",
        outputs=(
            Output("vocals", "vocals.flac", "outputs/x/vocals.flac", 4_000_000_000, 0.3, "peaks", "play"),
            Output("video", "no_vocals.mp4", "outputs/x/no_vocals.mp4", 1, 0.3),
        ),
        warnings=("one", "two"),
        error_message="no",
        error_fault=Fault.SONG,
        dropped_at=1795416279.654321,
        kept=True,
        source_key="kept/x/song.mp3",
        share=new_id(),
        shared_from=new_id(),
        copy_of=new_id(),
        version=7,
    )
    bare = session()
    for record in (full, bare):
        store.add(record)
        assert store.get(record.id) == record
    assert store.get_many([full.id, bare.id, "unknown"]) == {full.id: full, bare.id: bare}
    assert store.get_many([]) == {}


def test_unknown_id_returns_none(store: JobStore) -> None:
    added(store)
    for unknown in (new_id(), "", "x" * 1000, "' OR 1 = 1 --", "%"):
        assert store.get(unknown) is None
        assert store.delete(unknown) is False


def test_add_rejects_existing_id(store: JobStore) -> None:
    first = added(store)
    with pytest.raises(Changed):
        store.add(replace(first, file_name="other.mp3"))
    assert store.get(first.id) == first


def test_save_increments_the_version(store: JobStore) -> None:
    first = added(store)
    second = store.save(replace(first, progress=0.5))
    assert second == replace(first, progress=0.5, version=1) == store.get(first.id)
    third = store.save(replace(second, state=State.PENDING, queued_at=5.0))
    assert third.version == 2
    assert store.pending(10) == [third]


def test_save_rejects_another_version(store: JobStore) -> None:
    first = added(store)
    second = store.save(replace(first, progress=0.5))
    with pytest.raises(Changed):
        store.save(replace(first, progress=0.9))
    with pytest.raises(Changed):
        store.save(replace(first, version=5))
    assert store.get(first.id) == second


def test_deleted_record_is_gone_and_cannot_be_saved(store: JobStore) -> None:
    first, other = added(store), added(store)
    assert store.delete(first.id) is True
    assert store.delete(first.id) is False
    assert store.get(first.id) is None
    with pytest.raises(Changed):
        store.save(first)
    assert store.get(other.id) == other


def test_history_is_the_owners_sessions_newest_first(store: JobStore) -> None:
    times = [3.0, 1.0, 5.0, 2.0, 4.0]
    owned = [added(store, created_at=time, owner="browser:a") for time in times]
    added(store, created_at=3.5, owner="browser:b")
    added(store, created_at=3.5)
    newest_first = sorted(owned, key=lambda s: -s.created_at)
    assert store.history("browser:a", 10) == newest_first
    assert store.history("browser:a", 2) == newest_first[:2]
    assert store.history("browser:a", 10, before=3.0) == newest_first[3:]
    assert store.history("browser:c", 10) == []


def test_queue_is_ordered_by_queued_at(store: JobStore) -> None:
    times = [5.0, 3.0, 4.0, 3.0]  # sessions of the same time have a stable order
    waiting = [added(store, State.PENDING, queued_at=time) for time in times]
    for state in State:
        if state != State.PENDING:
            added(store, state, queued_at=1.0)
    queue = store.pending(10)
    assert queue == sorted(waiting, key=lambda s: (s.queued_at, s.id))
    assert store.pending(2) == queue[:2]
    assert store.oldest_pending() == 3.0


def test_empty_queue(store: JobStore) -> None:
    added(store, State.COMPLETED, queued_at=1.0)
    assert (store.pending(1), store.oldest_pending()) == ([], None)


def test_only_sessions_in_progress_lapse(store: JobStore) -> None:
    lapsed = added(store, State.IN_PROGRESS, lease_until=10.0)
    added(store, State.IN_PROGRESS, lease_until=10.5)
    added(store, State.FAILED, lease_until=1.0)
    added(store, State.PENDING, queued_at=1.0)
    assert store.lapsed(9.9) == []
    assert store.lapsed(10.0) == [lapsed]
    assert len(store.lapsed(11.0)) == len(store.in_progress()) == 2


def test_completed_sessions_are_newest_first(store: JobStore) -> None:
    done = [added(store, State.COMPLETED, finished_at=time) for time in (1.0, 3.0, 2.0)]
    added(store, State.FAILED, finished_at=9.0)
    assert store.completed(2) == [done[1], done[2]]


def test_expired_sessions_are_found_in_any_state(store: JobStore) -> None:
    old = {added(store, state, expires_at=50.0).id for state in State}
    added(store, expires_at=50.5)
    assert {record.id for record in store.expired(50.0, 100)} == old
    assert len(store.expired(50.0, 2)) == 2
    assert store.expired(49.9, 100) == []


def test_sessions_are_counted_by_state(store: JobStore) -> None:
    assert store.counts() == dict.fromkeys(State, 0)
    for state in (State.PENDING, State.PENDING, State.FAILED):
        added(store, state)
    assert store.counts() == dict.fromkeys(State, 0) | {State.PENDING: 2, State.FAILED: 1}


def test_share_links_are_not_counted(store: JobStore) -> None:
    song = added(store, State.COMPLETED, share=new_id(), file_name='"shared_from":"x".mp3')
    added(store, State.COMPLETED, shared_from=song.id)
    assert store.counts() == dict.fromkeys(State, 0) | {State.COMPLETED: 1}


def test_known_returns_ids_with_a_record(store: JobStore) -> None:
    ids = {added(store).id for _ in range(3)}
    unknown = [new_id() for _ in range(300)]
    assert store.known([*ids, *unknown]) == ids
    assert store.known(iter(ids)) == ids
    assert store.known([]) == set()


def test_only_one_of_concurrent_changes_succeeds(store: JobStore) -> None:
    """Let each of 8 threads add to a sum 5 times: none of the 40 additions is lost or made twice."""
    record, changed = added(store), []

    def add_up(number: int) -> None:
        for _ in range(5):
            while True:
                now = store.get(record.id)
                assert now is not None
                try:
                    changed.append(store.save(replace(now, attempts=now.attempts + number)).version)
                    break
                except Changed:
                    threading.Event().wait(random.random() / 1000)

    threads = [threading.Thread(target=add_up, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = store.get(record.id)
    assert last is not None
    assert last.attempts == 5 * sum(range(8))
    assert sorted(changed) == list(range(1, 41))
