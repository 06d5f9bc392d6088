"""Periodic upkeep: requeue sessions whose lease has expired, dispatch forgotten ones again, delete expired ones."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from unbraid.jobs.session import Session, State
from unbraid.jobs.sessions import ID, Sessions

BATCH = 100
"""Records to read per query."""


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

    def remind(self, after_s: float) -> int:
        """Dispatch again sessions that have waited unchanged for `after_s` seconds; return how many.

        The process that queued such a session may have been killed before it dispatched it.
        """
        sessions = self.sessions

        def step(session: Session) -> Session | None:
            waits = session.state == State.PENDING and session.updated_at <= sessions.clock() - after_s
            return sessions.kept_waiting(session, session.attempts) if waits else None

        waiting = [
            session.id
            for session in sessions.store.pending(BATCH)
            if session.updated_at <= sessions.clock() - after_s
        ]
        return sum(sessions.follow_up(sessions.change(session_id, step)) for session_id in waiting)

    def sweep(self) -> Swept:
        """Delete expired sessions, and files whose session no longer exists."""
        store, expired, orphans = self.sessions.store, 0, 0
        while batch := store.expired(self.sessions.clock(), BATCH):
            for session in batch:
                # Delete the record first: after a crash in between, the next sweep finds its files without a record.
                expired += store.delete(session.id)
                self.sessions.delete_files(session.id)
        # A record is older than its first file, so an id without a record belongs to a deleted session.
        ids = iter(self.sessions.objects.session_ids())
        while some := list(islice(ids, BATCH)):
            # Names that aren't ids are files of other programs, such as lost+found.
            for session_id in set(filter(ID.fullmatch, some)) - store.known(some):
                orphans += self.sessions.delete_files(session_id)
        return Swept(expired, orphans)
