"""Periodic upkeep: requeue sessions whose lease has expired, dispatch forgotten ones again, delete expired ones."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from unbraid.jobs.session import Session, State
from unbraid.jobs.sessions import ID, Sessions

BATCH = 100
"""Records to read per query."""


FAILURES_IN_A_ROW = 3
"""After these, the dispatcher is away, and the other songs wait for the next time."""


class Reminded(NamedTuple):
    """Number of dispatched sessions, and the errors of sessions that couldn't be dispatched."""

    dispatched: int
    errors: list[Exception]


class Swept(NamedTuple):
    """Numbers of deleted expired sessions, and of deleted files without a session."""

    sessions: int
    orphans: int


class Sweeper:
    """Upkeep of sessions. Any number of processes may run it at the same time."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    def recover(self) -> int:
        """Requeue sessions whose lease has expired, or fail them after the last attempt; return how many."""
        sessions = self.sessions

        def step(session: Session) -> Session | None:
            lapsed = session.lease_until is not None and session.lease_until <= sessions.clock()
            return sessions.retried(session) if session.state == State.IN_PROGRESS and lapsed else None

        lapsed = sessions.store.lapsed(sessions.clock())
        return sum(sessions.follow_up(sessions.change(session.id, step)) for session in lapsed)

    def remind(self, after_s: float) -> Reminded:
        """Dispatch PENDING sessions again that are undispatched, or have waited unchanged for `after_s` seconds.

        The process that queued such a session may have been killed before it dispatched it. A session that can't be
        dispatched keeps waiting, and the others are dispatched all the same.
        """
        sessions, dispatched, errors = self.sessions, 0, list[Exception]()
        in_a_row = 0

        def due(session: Session) -> bool:
            old = session.updated_at <= sessions.clock() - after_s
            return session.state == State.PENDING and (session.undispatched or old)

        def step(session: Session) -> Session | None:
            return sessions.kept_waiting(session, session.attempts) if due(session) else None

        for waiting in filter(due, sessions.store.pending(BATCH)):
            session = sessions.change(waiting.id, step)
            if session is None:
                continue
            _, error = sessions.try_dispatch(session)
            if error is None:
                dispatched, in_a_row = dispatched + 1, 0
                continue
            errors.append(error)
            in_a_row += 1
            if in_a_row == FAILURES_IN_A_ROW:
                break
        return Reminded(dispatched, errors)

    def sweep(self) -> Swept:
        """Delete expired sessions, and files whose session no longer exists."""
        store, expired, orphans = self.sessions.store, 0, 0
        while batch := store.expired(self.sessions.clock(), BATCH):
            for session in batch:
                self.sessions.delete(session)
                expired += 1
        # A record is older than its first file, so an id without a record belongs to a deleted session.
        ids = iter(self.sessions.objects.session_ids())
        while some := list(islice(ids, BATCH)):
            # Names that aren't ids are files of other programs, such as lost+found.
            for session_id in set(filter(ID.fullmatch, some)) - store.known(some):
                orphans += self.sessions.delete_files(session_id)
        return Swept(expired, orphans)
