"""The database of the job store: its connection, its one table, and the migrations."""

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

# How long a write waits for a lock. Other writes take milliseconds; a backup may take longer.
LOCK_TIMEOUT_S = 30.0

# Open connections, and additional ones when many threads need a connection (a web server has 40 threads).
POOL_SIZE, POOL_OVERFLOW = 5, 45

# Parameters of libpq. A connection that is cut off fails after these times: by unanswered probes when it
# is idle, by unacknowledged data otherwise. Without them, a statement waits for a quarter of an hour.
POSTGRES_TIMEOUTS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # in milliseconds
}

# Key of a PostgreSQL advisory lock that no other program uses: "unbraid" in ASCII.
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


def _create(db: Connection) -> None:
    _metadata.create_all(db)


# Migrations from each version to the next. Never change a released one.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create,)


def connect(url: str | URL) -> Engine:
    """Connect to the database at `url`; each statement is its own transaction. Raises SettingError."""
    try:
        address = make_url(url)
        backend = address.drivername.partition("+")[0]
        if backend in ("postgres", "postgresql"):
            backend = "postgresql"
            address = address.set(drivername="postgresql+psycopg")
        elif backend != "sqlite":
            raise SettingError(f"Sessions can be stored in SQLite or PostgreSQL, not in {backend}.")
        if backend == "sqlite":
            _make_file(address.database)
        engine = create_engine(
            address,
            isolation_level="AUTOCOMMIT",
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=backend == "postgresql",  # survives a restart of the database server
            connect_args={"timeout": LOCK_TIMEOUT_S} if backend == "sqlite" else _unset_timeouts(address),
        )
    except (ArgumentError, NoSuchModuleError):
        # The message doesn't repeat the URL, which may contain a password.
        raise SettingError(
            "UNBRAID_DATABASE_URL is not a valid URL. Write it like postgresql://user:password@host/name."
        ) from None
    except ModuleNotFoundError as error:
        raise SettingError("PostgreSQL needs one more package: pip install 'unbraid[postgres]'") from error
    if backend == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    return engine


def _unset_timeouts(address: URL) -> dict[str, int]:
    """Return the timeouts that the URL doesn't set itself."""
    return {name: value for name, value in POSTGRES_TIMEOUTS.items() if name not in address.query}


def _make_file(database: str | None) -> None:
    """Create an empty database that only its owner can read: it holds song names and e-mail addresses."""
    if database in (None, "", ":memory:"):
        raise SettingError("SQLite needs a file. Write its URL like sqlite:////var/lib/unbraid/unbraid.db.")
    try:
        Path(database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(database).touch(mode=0o600)
    except OSError as error:
        raise SettingError(f"The database {database} can't be used: {read_cause(error)}.") from error


def _tune_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Let readers and a writer work at the same time (WAL). Commits survive a crash of the process; a power failure
    may lose the last ones."""
    until = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # If other processes open a new database at the same moment, SQLite fails immediately instead of waiting.
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")


def migrate(engine: Engine) -> None:
    """Create the tables or migrate them. Safe for any number of processes at the same time. Raises SettingError."""
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as db:
            if _version(db) == len(MIGRATIONS):
                return
            sqlite = engine.dialect.name == "sqlite"
            db.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
            try:
                if not sqlite:
                    db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                _migrate(db)
                db.exec_driver_sql("COMMIT")
            except BaseException:
                db.exec_driver_sql("ROLLBACK")
                raise
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split()).rstrip(".")
        raise SettingError(f"The database {shown} can't be used: {reason}. See docs/settings.md.") from error


def _version(db: Connection) -> int:
    """Return the number of completed migrations."""
    if not inspect(db).has_table("schema_version"):
        return 0
    return int(db.scalar(text("SELECT version FROM schema_version")) or 0)


def _migrate(db: Connection) -> None:
    version = _version(db)  # again, because another process may have migrated in between
    if version > len(MIGRATIONS):
        raise SettingError("A newer version of unbraid created this database. Update unbraid.")
    for migration in MIGRATIONS[version:]:
        migration(db)
    if version == 0:
        db.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"))
        db.execute(text("INSERT INTO schema_version VALUES (:version)"), {"version": len(MIGRATIONS)})
    else:
        db.execute(text("UPDATE schema_version SET version = :version"), {"version": len(MIGRATIONS)})
