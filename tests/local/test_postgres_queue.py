"""Idle workers are notified of new songs by PostgreSQL, without polling."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.conftest import WriteWave
from tests.local.workspace import Workspace

from unbraid.jobs.session import State
from unbraid.local import postgres_queue
from unbraid.local.postgres_queue import QueueListener, QueueNotifier, QueuePoll, queue_wait
from unbraid.local.sql import SqlStore

DAY_S = 86400.0  # instead of the check that would hide a lost notification
DEADLINE_S = 60.0


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlStore]:
    store = SqlStore(postgres_url)
    yield store
    store.close()


@pytest.fixture
def listener(store: SqlStore) -> Iterator[QueueListener]:
    listener = QueueListener(store.engine, check_s=DAY_S)
    listener.wait(threading.Event())  # the first call connects
    yield listener
    listener.close()


def ends(wait: Callable[[], None], cause: Callable[[], object]) -> bool:
    """Whether `wait` blocks until `cause` has run."""
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(2 * postgres_queue.WAKE_S)
    assert thread.is_alive()
    cause()
    thread.join(DEADLINE_S)
    return not thread.is_alive()


def test_a_waiting_worker_is_woken_by_a_new_song(
    postgres_url: str, tmp_path: Path, write_wave: WriteWave, listener: QueueListener
) -> None:
    workspace = Workspace(tmp_path, database_url=postgres_url)
    song = write_wave(tmp_path / "song.wav", 1.0)
    assert ends(lambda: listener.wait(threading.Event()), lambda: workspace.add_song(song))


def test_a_waiting_worker_can_be_stopped(listener: QueueListener) -> None:
    stop = threading.Event()
    assert ends(lambda: listener.wait(stop), stop.set)


def test_a_notification_of_a_busy_time_ends_the_next_wait(store: SqlStore, listener: QueueListener) -> None:
    QueueNotifier(store.engine).dispatch(None)  # type: ignore[arg-type]  # it carries no data
    listener.wait(threading.Event())


def test_a_worker_connects_again_and_then_reads_the_queue(
    store: SqlStore, listener: QueueListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_queue, "RECONNECT_S", 0.01)
    disconnect = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"

    def cut_off() -> None:
        with store.engine.connect() as db:
            assert db.execute(text(disconnect)).all()

    assert ends(lambda: listener.wait(threading.Event()), cut_off)
    listener.wait(threading.Event())  # returns at once: songs may have been queued meanwhile
    notifier = QueueNotifier(store.engine)
    assert ends(lambda: listener.wait(threading.Event()), lambda: notifier.dispatch(None))  # type: ignore[arg-type]


def test_a_failed_notification_is_no_error_of_the_user(caplog: pytest.LogCaptureFixture) -> None:
    from sqlalchemy import create_engine

    nowhere = create_engine("postgresql+psycopg://unknown@/none?host=/nonexistent")
    with caplog.at_level(logging.WARNING):
        QueueNotifier(nowhere).dispatch(None)  # type: ignore[arg-type]
    assert "next check" in caplog.text


def test_sqlite_is_polled(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/jobs.db")
    assert isinstance(queue_wait(store), QueuePoll)
    store.close()


def test_the_command_separates_songs_of_a_server_elsewhere(
    postgres_url: str, tmp_path: Path, write_wave: WriteWave
) -> None:
    workspace = Workspace(tmp_path, database_url=postgres_url, lease_s=3600)
    command = [sys.executable, "-m", "unbraid", "worker", "--workers", "1"]
    with subprocess.Popen(command, env=workspace.full_environment(), stderr=subprocess.PIPE) as worker:
        assert worker.stderr is not None
        assert b"up to 1 song" in worker.stderr.readline()
        first = workspace.add_song(write_wave(tmp_path / "a.wav", 1.0))
        workspace.wait_for(first, State.COMPLETED)
        worker.terminate()
        assert worker.wait(DEADLINE_S) == 128 + 15
        worker.stderr.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "at least one song"),
        ([], "The database postgresql+psycopg://me:***@localhost/name"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, options: list[str], message: str) -> None:
    url = f"postgresql://me:secret@localhost/name?host={tmp_path}"
    workspace = Workspace(tmp_path)
    environment = {**workspace.full_environment(), "UNBRAID_DATABASE_URL": url}
    command = [sys.executable, "-m", "unbraid", "worker", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr
