"""The rules for whoever works: a session is one worker's at a time, for as long as that one shows that it lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from unbraid.jobs.estimates import DOWNLOADING
from unbraid.jobs.ports import Changed
from unbraid.jobs.records import Records
from unbraid.jobs.session import Output, Session, State

# How many waiting sessions are read at once: others may be quicker with the first of them.
LOOK_AT = 8


class Work(Records):
    """Taking a session, showing signs of life, and ending it. A worker's name has to be its own alone."""

    def take(self, worker: str) -> Session | None:
        """The session that waits longest, now this worker's; None: nothing waits."""
        while waiting := self.jobs.pending(LOOK_AT):
            for session in waiting:
                try:
                    return self.jobs.save(self._begun(session, worker))
                except Changed:
                    continue
        return None

    def begin(self, session_id: str, worker: str) -> Session | None:
        """The same for one session; None: it doesn't wait (any more)."""

        def step(session: Session) -> Session | None:
            return self._begun(session, worker) if session.state == State.PENDING else None

        return self._change(session_id, step)

    def alive(
        self,
        session_id: str,
        worker: str,
        progress: float | None = None,
        stage: str | None = None,
        duration_s: float | None = None,
    ) -> bool:
        """A sign of life, and how far it is (0 to 1). False: the session is not this worker's any more; stop.

        A song that turns out to be too long (`duration_s`) fails here.
        """
        if duration_s is not None and duration_s > self.limits.max_song_s:
            longest = self.limits.max_song_s / 60
            self.fail(
                session_id,
                worker,
                f"The song has {duration_s / 60:.0f} minutes, and at most {longest:.0f} are taken. Cut it in parts.",
            )
            return False

        def step(session: Session) -> Session:
            now = self.clock()
            got_model = session.stage == DOWNLOADING and stage not in (None, DOWNLOADING)
            return replace(
                session,
                updated_at=now,
                lease_until=now + self.limits.lease_s,
                expires_at=self._active_until(),
                started_at=now if got_model else session.started_at,
                progress=session.progress if progress is None else min(max(progress, 0.0), 1.0),
                stage=stage or session.stage,
                duration_s=session.duration_s if duration_s is None else duration_s,
            )

        return self._step_of(session_id, worker, step) is not None

    def complete(
        self,
        session_id: str,
        worker: str,
        outputs: Sequence[Output],
        duration_s: float,
        model_used: str,
        warnings: Sequence[str] = (),
    ) -> bool:
        """All is done and all files are in the object store. False: not this worker's any more; leave the files."""

        def step(session: Session) -> Session:
            return self._ended(
                session,
                State.COMPLETED,
                progress=1.0,
                outputs=tuple(outputs),
                duration_s=duration_s,
                model_used=model_used,
                warnings=tuple(warnings),
            )

        return self._told(self._step_of(session_id, worker, step))

    def fail(self, session_id: str, worker: str, message: str) -> bool:
        """It can't be done; `message` says in the user's words why. False: not this worker's any more."""

        def step(session: Session) -> Session:
            return self._ended(session, State.FAILED, error_message=message)

        return self._told(self._step_of(session_id, worker, step))

    def give_back(self, session_id: str, worker: str) -> bool:
        """The worker is told to stop: somebody else may go on, and this attempt doesn't count."""

        def step(session: Session) -> Session:
            return self._put_back(session, attempts=session.attempts - 1)

        session = self._step_of(session_id, worker, step)
        if session is not None:
            self._queued(session)
        return session is not None

    def _begun(self, session: Session, worker: str) -> Session:
        now = self.clock()
        return session.to(
            State.IN_PROGRESS,
            now,
            worker=worker,
            lease_until=now + self.limits.lease_s,
            expires_at=self._active_until(),
            started_at=now,
            attempts=session.attempts + 1,
            progress=0.0,
            stage=None,
        )

    def _put_back(self, session: Session, attempts: int) -> Session:
        """Waiting again, where it stood in the queue."""
        return session.to(
            State.PENDING,
            self.clock(),
            worker=None,
            lease_until=None,
            started_at=None,
            attempts=attempts,
            progress=0.0,
            stage=None,
        )

    def _step_of(self, session_id: str, worker: str, step: Callable[[Session], Session]) -> Session | None:
        """A change by the worker whose session it is; None: it isn't."""

        def checked(session: Session) -> Session | None:
            theirs = session.state == State.IN_PROGRESS and session.worker == worker
            return step(session) if theirs else None

        return self._change(session_id, checked)

    def _told(self, session: Session | None) -> bool:
        """Tell of the end."""
        if session is not None:
            self.notifier.notify(session)
        return session is not None
