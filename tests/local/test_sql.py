"""The database of sessions: creation, upgrades, durability, and error messages."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from unbraid.errors import SettingError
from unbraid.jobs.codec import to_dict
from unbraid.jobs.session import Session, new_id
from unbraid.local import sql_schema
from unbraid.local.settings import Settings
from unbraid.local.sql import SqlStore

SOURCE = Path(__file__).parents[2] / "src"


def session() -> Session:
    session_id = new_id()
    return Session(session_id, "song.mp3", "", f"inputs/{session_id}/song.mp3", 1.0, 1.0, 100.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        f"sqlite:///{tmp_path}/jobs.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )


def test_sessions_survive_reopening(url: str) -> None:
    first, saved_session = SqlStore(url), session()
    first.add(saved_session)
    first.close()
    second = SqlStore(url)
    assert second.get(saved_session.id) == saved_session
    second.close()


def test_creates_the_database_readable_only_by_the_owner(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/new/folder/jobs.db")
    store.add(session())
    folder = tmp_path / "new" / "folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert names == {"jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600}
    store.close()


def test_the_data_folder_may_have_any_name(tmp_path: Path) -> None:
    settings = Settings.load(data=tmp_path / "what? #1 100%41 ü")
    SqlStore(settings.database).close()
    assert (settings.data / "unbraid.db").is_file()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    store, saved_session = SqlStore(f"sqlite:///{tmp_path}/jobs.db"), session()
    store.add(saved_session)
    writer = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM sessions")
    assert store.get(saved_session.id) == saved_session
    writer.execute("ROLLBACK")
    writer.close()
    store.close()


def test_rejects_a_database_of_a_newer_version(url: str) -> None:
    store = SqlStore(url)
    with store.engine.connect() as db:
        db.execute(text("UPDATE schema_version SET version = 99"))
    store.close()
    with pytest.raises(SettingError, match="newer version of unbraid"):
        SqlStore(url)


def test_upgrades_a_database_of_an_older_version(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upgrade runs once and keeps all records."""
    store, saved_session = SqlStore(url), session()
    store.add(saved_session)
    store.close()
    steps = [
        *sql_schema.MIGRATIONS,
        lambda db: db.execute(text("ALTER TABLE sessions ADD COLUMN later TEXT")),
    ]
    monkeypatch.setattr(sql_schema, "MIGRATIONS", tuple(steps))
    for _ in range(2):
        newer = SqlStore(url)
        assert newer.get(saved_session.id) == saved_session
        with newer.engine.connect() as db:
            assert db.execute(text("SELECT later FROM sessions")).all() == [(None,)]
        newer.close()


def test_a_failing_upgrade_leaves_the_database_unchanged(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, saved_session = SqlStore(url), session()
    store.add(saved_session)

    def half(db: object) -> None:
        db.execute(text("DELETE FROM sessions"))  # type: ignore[attr-defined]
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(sql_schema, "MIGRATIONS", (*sql_schema.MIGRATIONS, half))
        with pytest.raises(RuntimeError):
            SqlStore(url)
    assert store.get(saved_session.id) == saved_session
    store.close()
    SqlStore(url).close()


def test_a_missing_field_has_its_default(url: str) -> None:
    store, saved_session = SqlStore(url), session()
    store.add(saved_session)
    with store.engine.connect() as db:
        record = db.scalar(text("SELECT record FROM sessions"))
        assert '"batch":null,' in record
        db.execute(
            text("UPDATE sessions SET record = :record"), {"record": record.replace('"batch":null,', "")}
        )
    assert store.get(saved_session.id) == saved_session
    store.close()
    assert "batch" in to_dict(saved_session)


def test_reconnects_after_the_server_closed_connections(postgres_url: str) -> None:
    store, saved_session = SqlStore(postgres_url), session()
    store.add(saved_session)
    disconnect = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    killer = SqlStore(postgres_url)
    with killer.engine.connect() as db:
        assert db.execute(text(disconnect)).all()
    assert store.get(saved_session.id) == saved_session
    store.close()
    killer.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///{folder}/garbage.db", "file is not a database"),
        ("sqlite:///{folder}", "can't be used"),
        ("sqlite:////dev/null/jobs.db", "can't be used: "),
        ("sqlite://", "needs a file"),
        ("nonsense", "is not a valid URL. Write it like postgresql://"),
        ("mysql://me:secret@host/name", "not in mysql"),
        ("postgresql://me:secret@localhost/name?host={folder}", "No such file"),
    ],
)
def test_reports_an_unusable_database_in_one_line_without_the_password(
    tmp_path: Path, url: str, message: str
) -> None:
    (tmp_path / "garbage.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(SettingError) as caught:
        SqlStore(url.format(folder=tmp_path))
    assert message in caught.value.message
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


COUNT_UP = """
import sys
from dataclasses import replace
from unbraid.local.sql import SqlStore

store = SqlStore(sys.argv[1])
session = store.get(sys.argv[2])
while True:
    session = store.save(replace(session, attempts=session.attempts + 1))
    print(session.attempts, flush=True)
"""


def test_saved_sessions_survive_a_killed_process(url: str) -> None:
    store, saved_session = SqlStore(url), session()
    store.add(saved_session)
    for _ in range(2):
        command = [sys.executable, "-c", COUNT_UP, url, saved_session.id]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(SOURCE)}
        )
        assert process.stdout is not None
        printed = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        printed += map(int, process.stdout.read().split())
        process.wait()
        process.stdout.close()
        saved = store.get(saved_session.id)
        assert saved is not None
        # The last change may have been saved without being printed.
        assert saved.attempts in (printed[-1], printed[-1] + 1)
        assert saved.version == saved.attempts
    store.close()
