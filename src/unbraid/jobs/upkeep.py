"""What has to be done now and then: sessions of workers that are gone go back, and what has expired goes."""

from __future__ import annotations

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

    def _recovered(self, session_id: str) -> bool:
        def step(session: Session) -> Session | None:
            lapsed = session.lease_until is not None and session.lease_until <= self.clock()
            if session.state != State.IN_PROGRESS or not lapsed:
                return None
            if session.attempts < self.limits.max_attempts:
                return self._put_back(session, session.attempts)
            times = {1: "", 2: " twice", 3: " three times"}.get(
                session.attempts, f" {session.attempts} times"
            )
            message = (
                f"Separating this song made the program stop{times}. "
                "Try another model, or convert the song to WAV or MP3 first."
            )
            return self._ended(session, State.FAILED, error_message=message)

        session = self._change(session_id, step)
        if session is not None and session.state == State.PENDING:
            self._queued(session)
            return True
        if session is not None:
            self.clear_outputs(session_id)  # its worker may have been killed while it put them
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
