"""The database of the job store: how it is opened, its one table, and how that came about, version by version."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from unbraid.errors import SettingError
from unbraid.files.oserrors import read_cause

# How long a write waits for others'. They take milliseconds; a backup may take longer.
PATIENCE_S = 30.0

# Connections that are kept, and those made besides when many threads ask at once (a web server has 40).
KEPT, MORE = 5, 45

# Anything that only this package locks in a PostgreSQL server: "unbraid" in ASCII.
_LOCK = 0x756E6272616964

_metadata = MetaData()

sessions = Table(
    "sessions",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", Text),
    Column("created_at", Double, nullable=False),
    Column("queued_at", Double),
    Column("lease_until", Double),
    Column("finished_at", Double),
    Column("expires_at", Double, nullable=False),
    Column("record", Text, nullable=False),
    Index("sessions_queue", "state", "queued_at", "id"),
    Index("sessions_done", "state", "finished_at"),
    Index("sessions_owner", "owner", "created_at"),
    Index("sessions_expiry", "expires_at"),
)


def _first(db: Connection) -> None:
    _metadata.create_all(db)


# What brings a database from each version to the next. A step that has been published is never changed.
STEPS: tuple[Callable[[Connection], None], ...] = (_first,)


def connect(url: str | URL) -> Engine:
    """The database at `url`, each statement a transaction of its own. Raises SettingError."""
    try:
        address = make_url(url)
        backend = address.drivername.partition("+")[0]
        if backend in ("postgres", "postgresql"):
            backend = "postgresql"
            address = address.set(drivername="postgresql+psycopg")
        elif backend != "sqlite":
            raise SettingError(f"Sessions can be kept in SQLite or PostgreSQL, not in {backend}.")
        if backend == "sqlite":
            _make_file(address.database)
        engine = create_engine(
            address,
            isolation_level="AUTOCOMMIT",
            pool_size=KEPT,
            max_overflow=MORE,
            pool_pre_ping=backend == "postgresql",  # outlives a restart of its server
            connect_args={"timeout": PATIENCE_S} if backend == "sqlite" else {"connect_timeout": 10},
        )
    except (ArgumentError, NoSuchModuleError):
        # The address is not repeated: there may be a password in it.
        raise SettingError(
            "The database's address can't be read; write it like postgresql://user:password@host/name."
        ) from None
    except ModuleNotFoundError as error:
        raise SettingError("PostgreSQL needs one more package: pip install 'unbraid[postgres]'") from error
    if backend == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    return engine


def _make_file(database: str | None) -> None:
    """An empty database that its owner alone can read: names of songs, and e-mail addresses, are in it."""
    if database in (None, "", ":memory:"):
        raise SettingError(
            "SQLite needs a file: write its address like sqlite:////var/lib/unbraid/unbraid.db."
        )
    try:
        Path(database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(database).touch(mode=0o600)
    except OSError as error:
        raise SettingError(f"The database {database} can't be used: {read_cause(error)}.") from error


def _tune_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Readers and a writer at once (WAL); what was committed outlives the process, and but for the last moments a
    failure of the machine's power."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # While others open a new database at the same moment SQLite gives up at once instead of waiting.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")


def migrate(engine: Engine) -> None:
    """Make the tables, or bring them up to date. Any number of processes may at the same time. Raises SettingError."""
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as db:
            if _version(db) == len(STEPS):
                return
            sqlite = engine.dialect.name == "sqlite"
            db.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
            try:
                if not sqlite:
                    db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                _bring_up_to_date(db)
                db.exec_driver_sql("COMMIT")
            except BaseException:
                db.exec_driver_sql("ROLLBACK")
                raise
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split()).rstrip(".")
        raise SettingError(f"The database {shown} can't be used: {reason}. See docs/settings.md.") from error


def _version(db: Connection) -> int:
    """How many of the steps were made."""
    if not inspect(db).has_table("schema_version"):
        return 0
    return int(db.scalar(text("SELECT version FROM schema_version")) or 0)


def _bring_up_to_date(db: Connection) -> None:
    version = _version(db)  # once more, as others may have been quicker
    if version > len(STEPS):
        raise SettingError("The database was made by a newer version of unbraid; update this one.")
    for step in STEPS[version:]:
        step(db)
    if version == 0:
        db.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO schema_version VALUES (:version)"), {"version": len(STEPS)})
    else:
        db.execute(text("UPDATE schema_version SET version = :version"), {"version": len(STEPS)})
