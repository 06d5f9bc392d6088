"""Wake idle workers by PostgreSQL's notifications, on one channel: NOTIFY when a song is queued, LISTEN in each worker.

A notification carries no data. Workers that receive one read the queue, so that a lost notification only delays a song
until the next check (CHECK_S).
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from unbraid.jobs.session import Session
from unbraid.local.sql import SqlStore

CHANNEL = "unbraid_queue"
POLL_S = 0.25  # between two checks of a queue without notifications
CHECK_S = 30.0  # the same with notifications
WAKE_S = 0.25  # between two checks of the event that ends a wait
RECONNECT_S = 2.0

log = logging.getLogger(__name__)


class QueueNotifier:
    """A Dispatcher that notifies the workers which listen on the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def dispatch(self, session: Session) -> None:
        """Notify. A failure delays the song, which is stored already, and is no error of the caller."""
        try:
            with self._engine.connect() as db:
                db.execute(text(f"NOTIFY {CHANNEL}"))
        except SQLAlchemyError:
            log.warning(
                "idle workers can't be notified; they see the song at their next check", exc_info=True
            )


class QueuePoll:
    """Waits between two checks of a database that has no notifications."""

    def wait(self, until: threading.Event) -> None:
        """Return when the queue should be read, or when `until` is set."""
        until.wait(POLL_S)

    def close(self) -> None:
        """Do nothing."""


class QueueListener:
    """Waits for notifications, on a connection of its own. Not thread-safe."""

    def __init__(self, engine: Engine, check_s: float = CHECK_S) -> None:
        self._engine, self._check_s = engine, check_s
        self._connection: Connection | None = None

    def wait(self, until: threading.Event) -> None:
        """Return when the queue should be read, or when `until` is set. Reconnects after a lost connection."""
        check_at = time.monotonic() + self._check_s
        try:
            if self._connection is None:
                self._connect()
                return  # songs may have been queued before
            while not until.is_set() and time.monotonic() < check_at:
                if self._received():
                    return
        except Exception as error:  # of SQLAlchemy, or of psycopg, which is an optional package
            log.warning("the connection for notifications is lost: %s", type(error).__name__)
            self.close()
            until.wait(RECONNECT_S)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it may be broken
                connection.detach()
            with suppress(Exception):
                connection.close()

    def _connect(self) -> None:
        self._connection = self._engine.connect()
        self._connection.execute(text(f"LISTEN {CHANNEL}"))

    def _received(self) -> bool:
        """Wait a moment for a notification."""
        assert self._connection is not None
        driver: Any = self._connection.connection.driver_connection
        return any(True for _ in driver.notifies(timeout=WAKE_S, stop_after=1))


def queue_wait(store: SqlStore) -> QueueListener | QueuePoll:
    """Return how a worker waits for songs in this database."""
    return QueueListener(store.engine) if store.has_notifications else QueuePoll()
