"""What has to be done now and then: sessions of workers that are gone go back, and what has expired goes."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from unbraid.jobs.records import ID
from unbraid.jobs.session import Session, State
from unbraid.jobs.work import Work

AT_ONCE = 100
"""Records that are read at once."""


class Swept(NamedTuple):
    """How many expired sessions, and how many files that belong to none, were deleted."""

    sessions: int
    orphans: int


class Upkeep(Work):
    """Any number of processes may do this at the same time."""

    def recover(self) -> int:
        """Put back sessions whose workers show no sign of life, or give them up after so many; how many there were."""
        return sum(self._recovered(session.id) for session in self.jobs.lapsed(self.clock()))

    def lost(self, session_id: str, worker: str) -> bool:
        """Whoever works under this name is gone for certain: the same without waiting for the lease.

        False: the session is not that worker's (any more).
        """

        def step(session: Session) -> Session | None:
            theirs = session.state == State.IN_PROGRESS and session.worker == worker
            return self._again(session) if theirs else None

        return self._put_on(self._change(session_id, step))

    def refused(self, session_id: str, version: int, message: str) -> bool:
        """Nobody will ever begin what was dispatched as this version of the record, which may be another song's fault:
        it is dispatched anew, and after so many times it fails, and `message` says why.

        False: it isn't that any more.
        """

        def step(session: Session) -> Session | None:
            if session.state != State.PENDING or session.version != version:
                return None
            attempts = session.attempts + 1  # as if it had been begun
            if attempts < self.limits.max_attempts:
                now = self.clock()
                return replace(session, attempts=attempts, updated_at=now, expires_at=self._active_until())
            return self._ended(session, State.FAILED, error_message=message)

        return self._put_on(self._change(session_id, step))

    def remind(self, after_s: float) -> int:
        """Dispatch anew what has waited for so long, as whoever queued it may have been stopped first; how many."""
        return sum(
            self._reminded(session.id, after_s)
            for session in self.jobs.pending(AT_ONCE)
            if session.updated_at <= self.clock() - after_s
        )

    def _reminded(self, session_id: str, after_s: float) -> bool:
        def step(session: Session) -> Session | None:
            now = self.clock()
            waits = session.state == State.PENDING and session.updated_at <= now - after_s
            return replace(session, updated_at=now, expires_at=self._active_until()) if waits else None

        session = self._change(session_id, step)
        if session is not None:
            self._queued(session)
        return session is not None

    def _recovered(self, session_id: str) -> bool:
        def step(session: Session) -> Session | None:
            lapsed = session.lease_until is not None and session.lease_until <= self.clock()
            return self._again(session) if session.state == State.IN_PROGRESS and lapsed else None

        return self._put_on(self._change(session_id, step))

    def _again(self, session: Session) -> Session:
        """Waiting once more, or given up."""
        if session.attempts < self.limits.max_attempts:
            return self._put_back(session, session.attempts)
        times = {1: "", 2: " twice", 3: " three times"}.get(session.attempts, f" {session.attempts} times")
        message = (
            f"Separating this song made the program stop{times}. "
            "Try another model, or convert the song to WAV or MP3 first."
        )
        return self._ended(session, State.FAILED, error_message=message)

    def _put_on(self, session: Session | None) -> bool:
        """Tell whoever has to know what has become of a session whose worker is gone; None: nothing has."""
        if session is not None and session.state == State.PENDING:
            self._queued(session)
            return True
        if session is not None:
            self.clear_outputs(session.id)  # its worker may have been killed while it put them
        return self._told(session)

    def sweep(self) -> Swept:
        """Delete what has outlived its time, and files whose session is gone."""
        sessions = orphans = 0
        while expired := self.jobs.expired(self.clock(), AT_ONCE):
            for session in expired:
                # The record first: what a crash leaves then are files without one, which the next sweep finds.
                sessions += self.jobs.delete(session.id)
                self._delete_files(session.id)
        # A record is made before its first file, so an id without one is that of a session that was deleted.
        ids = iter(self.objects.session_ids())
        while some := list(islice(ids, AT_ONCE)):
            # What has another name was put there by somebody else.
            for session_id in set(filter(ID.fullmatch, some)) - self.jobs.known(some):
                orphans += self._delete_files(session_id)
        return Swept(sessions, orphans)
