"""The job store in a database: SQLite, a file that needs no server, or PostgreSQL.

A session is one row: its record as JSON, and the columns that queries need. Every change is one statement, so it is
atomic, and succeeds only if the version hasn't changed: of two concurrent changes, one succeeds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Select, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from unbraid.errors import Unavailable
from unbraid.jobs.codec import from_dict, to_dict
from unbraid.jobs.ports import Changed
from unbraid.jobs.session import Session, State
from unbraid.local.sql_schema import connect, migrate, sessions

AWAY = "The database of this server doesn't answer. Try again in a moment."

log = logging.getLogger(__name__)

_WAITING = sessions.c.state == State.PENDING
_WORKING = sessions.c.state == State.IN_PROGRESS
# JSON escapes the quotes of a file name, so no name contains these characters.
_SHARE_LINK = sessions.c.record.contains('"shared_from":"', autoescape=True)


class SqlStore:
    """The JobStore (see `jobs.ports`) in the database at a URL.

    Examples: `sqlite:////var/lib/unbraid/unbraid.db`, `postgresql://user@host/name`. The constructor creates the tables
    or migrates them. Raises SettingError.
    """

    def __init__(self, url: str | URL) -> None:
        self.engine = connect(url)
        """Connections to the database."""
        migrate(self.engine)

    @property
    def has_notifications(self) -> bool:
        """Whether the database is PostgreSQL, which can notify workers."""
        return self.engine.dialect.name == "postgresql"

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def add(self, session: Session) -> None:
        try:
            with self._connected() as db:
                db.execute(insert(sessions).values(_row(session)))
        except IntegrityError as error:
            raise Changed from error

    def get(self, session_id: str) -> Session | None:
        return next(iter(self._all(_records().where(sessions.c.id == session_id))), None)

    def get_many(self, session_ids: Sequence[str]) -> dict[str, Session]:
        found = self._all(_records().where(sessions.c.id.in_(session_ids)))
        return {session.id: session for session in found}

    def save(self, session: Session) -> Session:
        row = _row(session) | {"version": session.version + 1}
        same = and_(sessions.c.id == session.id, sessions.c.version == session.version)
        with self._connected() as db:
            if db.execute(update(sessions).where(same).values(row)).rowcount != 1:
                raise Changed
        return _session(row["version"], row["record"])

    def delete(self, session_id: str) -> bool:
        with self._connected() as db:
            return db.execute(delete(sessions).where(sessions.c.id == session_id)).rowcount == 1

    def history(self, owner: str, limit: int, before: float | None = None) -> list[Session]:
        query = _records().where(sessions.c.owner == owner)
        if before is not None:
            query = query.where(sessions.c.created_at < before)
        return self._all(query.order_by(sessions.c.created_at.desc(), sessions.c.id).limit(limit))

    def pending(self, limit: int) -> list[Session]:
        return self._all(
            _records().where(_WAITING).order_by(sessions.c.queued_at, sessions.c.id).limit(limit)
        )

    def lapsed(self, now: float) -> list[Session]:
        return self._all(_records().where(_WORKING, sessions.c.lease_until <= now))

    def in_progress(self) -> list[Session]:
        return self._all(_records().where(_WORKING))

    def completed(self, limit: int) -> list[Session]:
        done = _records().where(sessions.c.state == State.COMPLETED)
        return self._all(done.order_by(sessions.c.finished_at.desc()).limit(limit))

    def expired(self, now: float, limit: int) -> list[Session]:
        return self._all(_records().where(sessions.c.expires_at <= now).limit(limit))

    def counts(self) -> Mapping[State, int]:
        query = select(sessions.c.state, func.count()).where(~_SHARE_LINK).group_by(sessions.c.state)
        with self._connected() as db:
            found = {State(state): count for state, count in db.execute(query)}
        return {state: found.get(state, 0) for state in State}

    def oldest_pending(self) -> float | None:
        return self._number(select(func.min(sessions.c.queued_at)).where(_WAITING))

    def known(self, session_ids: Iterable[str]) -> set[str]:
        query = select(sessions.c.id).where(sessions.c.id.in_(list(session_ids)))
        with self._connected() as db:
            return set(db.scalars(query))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Connect for one statement. Raises Unavailable if PostgreSQL doesn't answer."""
        try:
            with self.engine.connect() as db:
                yield db
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            if not self.has_notifications:
                raise  # SQLite's errors need an administrator
            log.warning("the database doesn't answer: %s", type(getattr(error, "orig", error)).__name__)
            raise Unavailable(AWAY) from error

    def _all(self, query: Select[Any]) -> list[Session]:
        with self._connected() as db:
            return [_session(version, record) for version, record in db.execute(query)]

    def _number(self, query: Select[Any]) -> float | None:
        with self._connected() as db:
            number: float | None = db.scalar(query)
            return number


def _records() -> Select[Any]:
    return select(sessions.c.version, sessions.c.record)


def _row(session: Session) -> dict[str, Any]:
    record = to_dict(session)
    columns = {column.name: record.get(column.name) for column in sessions.c if column.name != "record"}
    return columns | {"record": json.dumps(record, separators=(",", ":"))}


def _session(version: int, record: str) -> Session:
    return from_dict(json.loads(record) | {"version": version})
