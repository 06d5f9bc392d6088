"""Change session records safely, by transitions that users, workers and the sweeper share."""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from unbraid.errors import Fault, UnbraidError
from unbraid.jobs import messages
from unbraid.jobs.available import AvailableModels
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Changed, Dispatcher, JobStore, Notifier, ObjectStore
from unbraid.jobs.queue_snapshot import Clock, QueueSnapshot, QueueSnapshots
from unbraid.jobs.session import Session, State

log = logging.getLogger(__name__)

ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""A valid session id. Other strings are never looked up and never become part of a key."""

KINDS = ("inputs", "outputs", "mixes", "kept")
"""A session's files have keys `KIND/ID/NAME`."""

FOLDER = re.compile(rf"(?:{'|'.join(KINDS)})/[A-Za-z0-9_-]{{1,64}}/", re.ASCII)
"""Prefix of all files of one kind and session."""


class Sessions:
    """The records and files of all sessions, their limits, the clock, and the models where songs are separated.

    `Service`, `Leases` and `Sweeper` build on it.
    """

    def __init__(
        self,
        store: JobStore,
        objects: ObjectStore,
        dispatcher: Dispatcher,
        notifier: Notifier,
        limits: Limits,
        clock: Clock = time.time,
        available: AvailableModels | None = None,
    ) -> None:
        self.store = store
        self.objects = objects
        self.dispatcher = dispatcher
        self.notifier = notifier
        self.limits = limits
        self.clock = clock
        self._snapshots = QueueSnapshots(store, clock, available or AvailableModels())

    @property
    def queue_snapshot(self) -> QueueSnapshot:
        """The queue of all sessions, at most a second old."""
        return self._snapshots.fresh()

    def change(self, session_id: str, step: Callable[[Session], Session | None]) -> Session | None:
        """Apply `step` to the record and save the result, by compare-and-swap.

        If another process saved the record in between, `step` runs again on the new one. Return the saved record, or
        None if there is no record or `step` returned None for no change.
        """
        while (session := self.store.get(session_id)) is not None:
            changed = step(session)
            if changed is None:
                return None
            try:
                return self.store.save(changed)
            except Changed:
                continue
        return None

    def dispatch(self, session: Session) -> Session:
        """Send a PENDING session to the workers. If that fails, it keeps waiting for the sweeper to send it again."""
        return self.try_dispatch(session)[0]

    def try_dispatch(self, session: Session) -> tuple[Session, Exception | None]:
        """Dispatch the session; also return why that failed."""
        try:
            self.dispatcher.dispatch(session)
        except UnbraidError as error:  # expected: the deployment isn't finished
            log.warning("a song waits: %s", error.message)
            return self._postponed(session), error
        except Exception as error:
            log.error("a song can't be dispatched and waits", exc_info=error)
            return self._postponed(session), error
        return session, None

    def _postponed(self, session: Session) -> Session:
        def step(session: Session) -> Session | None:
            return replace(session, undispatched=True) if session.state == State.PENDING else None

        return self.change(session.id, step) or session

    def ended(self, session: Session, state: State, **changes: object) -> Session:
        """Return the record in a final state; it expires `results_s` from now."""
        now = self.clock()
        return session.to(
            state,
            now,
            finished_at=now,
            expires_at=now + self.limits.results_s,
            stage=None,
            playable=None,
            worker=None,
            lease_until=None,
            **changes,
        )

    def failed(self, session: Session, message: str, fault: Fault) -> Session:
        """Return the record as FAILED."""
        return self.ended(session, State.FAILED, error_message=message, error_fault=fault)

    def requeued(self, session: Session, attempts: int) -> Session:
        """Return the record as PENDING again, with its old place in the queue."""
        return session.to(
            State.PENDING,
            self.clock(),
            worker=None,
            lease_until=None,
            started_at=None,
            undispatched=False,
            attempts=attempts,
            progress=0.0,
            stage=None,
            playable=None,
        )

    def retried(self, session: Session) -> Session:
        """Return the record of a session whose worker died: PENDING again, or FAILED after the last attempt."""
        if session.attempts < self.limits.max_attempts:
            return self.requeued(session, session.attempts)
        return self.failed(session, messages.crashed(session.attempts), Fault.OURS)

    def kept_waiting(self, session: Session, attempts: int) -> Session:
        """Return the record of a PENDING session that is about to be dispatched once more."""
        now = self.clock()
        return replace(
            session, attempts=attempts, undispatched=False, updated_at=now, expires_at=self.active_until()
        )

    def follow_up(self, session: Session | None) -> bool:
        """Dispatch or announce a session after `retried`. False: there was nothing to do (`session` is None)."""
        if session is None:
            return False
        if session.state == State.PENDING:
            self.dispatch(session)
        else:
            self.delete_abandoned_outputs(session.id)  # the worker may have died while it stored them
            self.announce(session)
        return True

    def announce(self, session: Session) -> None:
        """Notify the user of a session that has ended, and pages that watch its parent."""
        self.notifier.notify(session)
        self.touch_parent(session)

    def touch_parent(self, session: Session) -> None:
        """Change the version of the session's parent, so that watchers of the parent read its new status."""
        if session.parent is not None:
            self.change(session.parent, lambda parent: replace(parent, updated_at=self.clock()))

    def splits_of(self, sessions: Iterable[Session]) -> defaultdict[str, list[Session]]:
        """Return the sessions of stems that are separated further, by their parent's id."""
        ids = [split.session_id for session in sessions for split in session.splits]
        found: defaultdict[str, list[Session]] = defaultdict(list)
        for part in self.store.get_many(ids).values() if ids else ():
            if part.parent is not None:
                found[part.parent].append(part)
        return found

    def active_until(self) -> float:
        """Return the expiry of a queued or running session: never earlier than the expiry of an upload."""
        return self.clock() + max(self.limits.results_s, self.limits.upload_s)

    def follow_expiry(self, session: Session) -> None:
        """Let the share link of a session expire with it."""
        if session.share is not None:
            self.change(session.share, lambda share: replace(share, expires_at=session.expires_at))

    def delete_abandoned_outputs(self, session_id: str) -> bool:
        """Delete the outputs of a failed, cancelled or deleted session.

        False, without deleting anything, if the session is complete or another worker may be working on it.
        """
        session = self.store.get(session_id)
        abandoned = session is None or session.state in (State.FAILED, State.CANCELLED)
        if abandoned:
            self.objects.delete(f"outputs/{session_id}/")
        return abandoned

    def delete(self, session: Session) -> int:
        """Delete a session with its files, the sessions of its stems and its share link; return how many.

        Records are deleted first: workers notice and stop, and after a crash the sweeper finds files without a record.
        """
        ids = [session.id, *(split.session_id for split in session.splits)]
        if session.share is not None:
            ids.append(session.share)
        deleted = sum(map(self.store.delete, ids))
        self.abort_parts(session)
        return deleted + sum(map(self.delete_files, ids))

    def abort_parts(self, session: Session) -> None:
        """Delete the parts of an unfinished upload."""
        if session.upload_id is not None:
            self.objects.abort_parts(session.input_key, session.upload_id)

    def delete_files(self, session_id: str) -> int:
        """Delete all files of a session; return how many there were."""
        return sum(self.objects.delete(f"{kind}/{session_id}/") for kind in KINDS)
