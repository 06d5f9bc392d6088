"""Operations of workers on sessions: take a lease, renew it, and end the session.

One worker at a time holds a session. A lease that isn't renewed expires, and the sweeper requeues the session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from unbraid.errors import Fault
from unbraid.jobs.estimates import BEFORE_THE_SONG
from unbraid.jobs.keeping import is_of_kept_song, keep_outputs, keep_session, with_kept_outputs
from unbraid.jobs.media import MEDIA_TYPES
from unbraid.jobs.messages import Failure
from unbraid.jobs.ports import Changed
from unbraid.jobs.queue_order import queue_order
from unbraid.jobs.queue_snapshot import LONGEST_QUEUE
from unbraid.jobs.session import Choices, Output, Playable, Session, State
from unbraid.jobs.sessions import Sessions


class Leases:
    """Take, renew and end leases. `worker` is an id that no other worker uses.

    Methods that end or renew a lease return False, and change nothing, if the worker doesn't hold it any more.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    def take(self, worker: str) -> Session | None:
        """Lease the first session of the queue; None: the queue is empty."""
        store = self.sessions.store
        while waiting := store.pending(LONGEST_QUEUE):
            for session, place in zip(queue_order(waiting), waiting, strict=True):
                leased = replace(self._leased(session, worker), queued_at=place.queued_at)
                try:
                    saved = store.save(leased)
                except Changed:  # another worker has taken it in the meantime
                    continue
                self._swap_places(place, session)
                return saved
        return None

    def begin(self, session_id: str, worker: str) -> Session | None:
        """Lease the session with this id; None: it isn't PENDING (any more)."""

        def step(session: Session) -> Session | None:
            return self._leased(session, worker) if session.state == State.PENDING else None

        return self.sessions.change(session_id, step)

    def renew_lease(
        self,
        session_id: str,
        worker: str,
        progress: float | None = None,
        stage: str | None = None,
        duration_s: float | None = None,
    ) -> bool:
        """Extend the lease and record progress (0 to 1), stage and the song's duration. On False, stop working."""
        sessions = self.sessions

        def step(session: Session) -> Session:
            now = sessions.clock()
            ready = session.stage in BEFORE_THE_SONG and stage not in BEFORE_THE_SONG
            return replace(
                session,
                updated_at=now,
                lease_until=now + sessions.limits.lease_s,
                expires_at=sessions.active_until(),
                started_at=now if ready else session.started_at,
                progress=session.progress if progress is None else min(max(progress, 0.0), 1.0),
                stage=stage or session.stage,
                duration_s=session.duration_s if duration_s is None else duration_s,
            )

        return self._change_held(session_id, worker, step) is not None

    def set_playable(self, session_id: str, worker: str, playable: Playable) -> bool:
        """Record what can be played already. Its pieces must be in the object store."""

        def step(session: Session) -> Session:
            return replace(session, updated_at=self.sessions.clock(), playable=playable)

        return self._change_held(session_id, worker, step) is not None

    def complete(
        self,
        session_id: str,
        worker: str,
        outputs: Sequence[Output],
        duration_s: float,
        model_used: str,
        warnings: Sequence[str] = (),
        bpm: float | None = None,
        musical_key: str | None = None,
    ) -> bool:
        """Complete the session. All output files must be in the object store already.

        Parts of a kept song are kept, too: their files are copied first. Raises SessionNotFound, OutputError then.
        """
        leased = self.sessions.store.get(session_id)
        if leased is None or not _holds(leased, worker):
            return False
        kept = is_of_kept_song(self.sessions, leased)
        stored = keep_outputs(self.sessions, session_id, outputs) if kept else tuple(outputs)

        def step(session: Session) -> Session:
            ended = self.sessions.ended(
                session,
                State.COMPLETED,
                progress=1.0,
                outputs=stored,
                duration_s=duration_s,
                model_used=model_used,
                bpm=bpm,
                musical_key=musical_key,
                warnings=tuple(warnings),
            )
            return with_kept_outputs(ended, stored) if kept else ended

        completed = self._change_held(session_id, worker, step)
        held = self._notify(completed)
        if completed is not None and not kept and is_of_kept_song(self.sessions, completed):
            keep_session(self.sessions, completed)  # its song was kept in the meantime
        return held

    def fail(self, session_id: str, worker: str, message: str, fault: Fault = Fault.OURS) -> bool:
        """Fail the session; `message` tells its user why."""
        return self._notify(
            self._change_held(
                session_id, worker, lambda session: self.sessions.failed(session, message, fault)
            )
        )

    def release(self, session_id: str, worker: str) -> bool:
        """Requeue the session because the worker has to stop. This attempt doesn't count."""
        session = self._change_held(
            session_id, worker, lambda session: self.sessions.requeued(session, session.attempts - 1)
        )
        if session is not None:
            self.sessions.dispatch(session)
        return session is not None

    def reclaim(self, session_id: str, worker: str) -> bool:
        """Requeue the session of a worker known to be dead, without waiting for its lease to expire."""
        return self.sessions.follow_up(self._change_held(session_id, worker, self.sessions.retried))

    def redispatch(self, session_id: str, version: int, message: str) -> bool:
        """Dispatch again a session whose dispatch failed before any worker began; fail it after the last attempt.

        Another session's song may be the cause, so the first failure isn't final. `version` is the record's version at
        that dispatch; `message` is the error after the last attempt. False: the record has changed since.
        """
        sessions = self.sessions

        def step(session: Session) -> Session | None:
            if session.state != State.PENDING or session.version != version:
                return None
            attempts = session.attempts + 1  # counts like an attempt that began
            if attempts < sessions.limits.max_attempts:
                return sessions.kept_waiting(session, attempts)
            return sessions.failed(session, message, Fault.OURS)

        return sessions.follow_up(sessions.change(session_id, step))

    def _swap_places(self, place: Session, taken: Session) -> None:
        """Give the session whose place in the queue was used the place of the taken one, which waited behind it."""

        def step(session: Session) -> Session | None:
            waits = session.state == State.PENDING and session.queued_at == place.queued_at
            return replace(session, queued_at=taken.queued_at) if waits else None

        if place.id != taken.id:
            self.sessions.change(place.id, step)

    def _leased(self, session: Session, worker: str) -> Session:
        now = self.sessions.clock()
        return session.to(
            State.IN_PROGRESS,
            now,
            worker=worker,
            lease_until=now + self.sessions.limits.lease_s,
            expires_at=self.sessions.active_until(),
            started_at=now,
            attempts=session.attempts + 1,
            progress=0.0,
            stage=None,
            playable=None,
        )

    def _change_held(
        self, session_id: str, worker: str, step: Callable[[Session], Session | None]
    ) -> Session | None:
        """Change the record if `worker` holds its lease; None: it doesn't."""

        def checked(session: Session) -> Session | None:
            return step(session) if _holds(session, worker) else None

        return self.sessions.change(session_id, checked)

    def _notify(self, session: Session | None) -> bool:
        if session is not None:
            self.sessions.announce(session)
        return session is not None


def _holds(session: Session, worker: str) -> bool:
    """Whether the worker holds the lease of a session."""
    return session.state == State.IN_PROGRESS and session.worker == worker


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """Adapts a leased session to the Job that `run_job` separates."""

    session: Session
    leases: Leases
    previews: bool = True

    @property
    def _worker(self) -> str:
        assert self.session.worker is not None
        return self.session.worker

    @property
    def song_name(self) -> str:
        return self.session.file_name

    @property
    def choices(self) -> Choices:
        return self.session.choices

    @property
    def parts_of(self) -> str | None:
        return self.session.stem

    @property
    def max_song_s(self) -> float:
        return self.leases.sessions.limits.max_song_s

    @property
    def lease_s(self) -> float:
        return self.leases.sessions.limits.lease_s

    def song(self) -> AbstractContextManager[Path]:
        return self.leases.sessions.objects.local_file(self.session.input_key)

    def put(self, file: Path) -> str:
        key = f"outputs/{self.session.id}/{file.name}"
        self.leases.sessions.objects.put(file, key, MEDIA_TYPES[file.suffix[1:]])
        return key

    def set_playable(self, playable: Playable) -> bool:
        return self.leases.set_playable(self.session.id, self._worker, playable)

    def discard(self, keys: Sequence[str]) -> None:
        self.leases.sessions.objects.discard(keys)

    def delete_outputs(self) -> None:
        self.leases.sessions.objects.delete(f"outputs/{self.session.id}/")

    def delete_abandoned_outputs(self) -> bool:
        return self.leases.sessions.delete_abandoned_outputs(self.session.id)

    def renew_lease(self, progress: float | None, stage: str | None, duration_s: float | None) -> bool:
        return self.leases.renew_lease(self.session.id, self._worker, progress, stage, duration_s)

    def complete(
        self,
        outputs: Sequence[Output],
        duration_s: float,
        model_used: str,
        warnings: Sequence[str],
        bpm: float | None = None,
        musical_key: str | None = None,
    ) -> bool:
        return self.leases.complete(
            self.session.id, self._worker, outputs, duration_s, model_used, warnings, bpm, musical_key
        )

    def fail(self, failure: Failure) -> bool:
        return self.leases.fail(self.session.id, self._worker, failure.message, failure.fault)

    def release(self) -> bool:
        return self.leases.release(self.session.id, self._worker)
