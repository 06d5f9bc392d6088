"""What all rules of sessions stand on: the ports, the limits, the clock, and one safe way to change a record."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Changed, Dispatcher, JobStore, Notifier, ObjectStore
from unbraid.jobs.queue_snapshot import Clock, QueueSnapshots
from unbraid.jobs.session import Session, State

ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""What can be a session's id: nothing else is looked up, or becomes part of a key."""

KINDS = ("inputs", "outputs", "mixes")
"""A session's files lie under `KIND/ID/`."""

FOLDER = re.compile(rf"(?:{'|'.join(KINDS)})/[A-Za-z0-9_-]{{1,64}}/", re.ASCII)
"""Such a place."""


class Records:
    """The sessions, wherever they are kept."""

    def __init__(
        self,
        jobs: JobStore,
        objects: ObjectStore,
        dispatcher: Dispatcher,
        notifier: Notifier,
        limits: Limits,
        clock: Clock = time.time,
    ) -> None:
        self.jobs = jobs
        self.objects = objects
        self.dispatcher = dispatcher
        self.notifier = notifier
        self.limits = limits
        self.clock = clock
        self.boards = QueueSnapshots(jobs, clock)

    def _change(self, session_id: str, step: Callable[[Session], Session | None]) -> Session | None:
        """Make `step` of the record as it is and save it; again where somebody else was quicker.

        None: there is no record, or `step` gave None as it wants no change.
        """
        while (session := self.jobs.get(session_id)) is not None:
            changed = step(session)
            if changed is None:
                return None
            try:
                return self.jobs.save(changed)
            except Changed:
                continue
        return None

    def _queued(self, session: Session) -> Session:
        """Tell whoever works that `session` waits; where that can't be told, it fails rather than wait for ever."""
        try:
            self.dispatcher.dispatch(session)
        except Exception:
            self._change(session.id, self._not_dispatched)
            raise
        return session

    def _not_dispatched(self, session: Session) -> Session | None:
        if session.state != State.PENDING:
            return None
        return self._ended(session, State.FAILED, error_message="It could not be queued. Try again.")

    def _ended(self, session: Session, state: State, **changes: object) -> Session:
        """The record at its end, from which its time runs."""
        now = self.clock()
        return session.to(
            state,
            now,
            finished_at=now,
            expires_at=now + self.limits.results_s,
            stage=None,
            worker=None,
            lease_until=None,
            **changes,
        )

    def _active_until(self) -> float:
        """Expiry of a session that waits or is worked on: never before those that only wait to be started."""
        return self.clock() + max(self.limits.results_s, self.limits.upload_s)

    def clear_outputs(self, session_id: str) -> bool:
        """Delete what an attempt left that came to nothing; False: somebody is at the session again, or it is done."""
        session = self.jobs.get(session_id)
        nothing = session is None or session.state in (State.FAILED, State.CANCELLED)
        if nothing:
            self.objects.delete(f"outputs/{session_id}/")
        return nothing

    def _delete_files(self, session_id: str) -> int:
        return sum(self.objects.delete(f"{kind}/{session_id}/") for kind in KINDS)
