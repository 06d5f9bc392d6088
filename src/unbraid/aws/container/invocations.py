"""Handle invocations: separate each session's song once, however many clients ask for it, and answer all of them.

A session is looked up in the table first, if there is one. Any other session_id is an ad-hoc job of this process.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unbraid.aws.container import answers
from unbraid.aws.container.adhoc import AdhocJob, AdhocJobs
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.requests import BadRequest, Invocation
from unbraid.aws.dispatches import Dispatch
from unbraid.errors import SettingError, UnbraidError
from unbraid.jobs.choices import validate_choices
from unbraid.jobs.leases import LeasedJob, Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Job
from unbraid.jobs.runner import run_job
from unbraid.jobs.separators import Loaded, Separators
from unbraid.jobs.session import ENDED, Choices, Session, State

POLL_S = 1.0  # between two checks of a session that another worker holds, and to wait for a free slot


class Invocations:
    """Answers invocations. Thread-safe; at most `concurrency` songs are separated at the same time.

    `leases`: leases of the table's sessions; None: no table. `bucket`: bucket with the files of its sessions.
    """

    def __init__(
        self,
        leases: Leases | None,
        bucket: str,
        limits: Limits,
        s3: Any,
        separators: Separators,
        scratch: Path,
    ) -> None:
        self.leases = leases
        self._bucket, self._limits, self._s3 = bucket, limits, s3
        self._separators, self._scratch = separators, scratch
        self._adhoc = AdhocJobs()
        self._slots = threading.Semaphore(0)
        self._answering, self._answered = 0, threading.Condition()
        self.stop = threading.Event()
        """Set it to release running jobs and to begin no more."""

    def load(self, concurrency: int | None = None) -> int:
        """Load the default model and accept work; return the number of songs separated at the same time.

        None: as many as suit the device. Raises UnbraidError if the model can't be loaded.
        """
        from unbraid.separation.runtimes.choose import choose_gpu

        loaded = self.load_model()
        if concurrency is None:
            # A graphics card waits while a song is decoded or encoded; a processor never does.
            concurrency = 1 if choose_gpu(loaded.separator.model, "auto") is None else 2
        self._slots.release(concurrency)
        return concurrency

    def load_model(self) -> Loaded:
        """Load the default model, unless it is loaded. Raises UnbraidError."""
        default = validate_choices(Choices(), self._limits)
        return self._separators.get(default.model, stems=default.stems)

    def prove(self) -> None:
        """Separate a second of noise with the default model. Raises UnbraidError."""
        separator = self.load_model().separator
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, separator.sample_rate)).astype(np.float32)
        for name, stem in separator.separate(noise).items():
            if stem.shape != noise.shape or not np.isfinite(stem).all():
                raise UnbraidError(f"The stem {name} of a second of noise is damaged.")

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until no invocation is being answered; False: one still is after `timeout_s`."""
        with self._answered:
            return self._answered.wait_for(lambda: self._answering == 0, timeout_s)

    def answer(self, body: bytes) -> Answer:
        """Separate the song, unless another worker does or has done it; wait for the result."""
        with self._answered:
            self._answering += 1
        try:
            return self._answer(body)
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def _answer(self, body: bytes) -> Answer:
        try:
            invocation = Invocation.parse(body)
            if self.leases is not None:
                session = self.leases.sessions.store.get(invocation.session_id)
                if session is not None or invocation.dispatch is not None:
                    return self._answer_session(session, invocation, self.leases)
            return self._answer_adhoc(invocation)
        except (BadRequest, SettingError) as problem:
            return answers.error(400, problem.message)

    def _answer_session(self, session: Session | None, invocation: Invocation, leases: Leases) -> Answer:
        """Work on a session of the table whenever it is PENDING, until it has ended."""
        if session is not None and not self._owns_place(session, invocation):
            return answers.WRONG_PLACE
        while True:
            session = leases.sessions.store.get(invocation.session_id)
            if session is None:
                return answers.DELETED
            if session.state in ENDED:
                return answers.of_session(session, invocation)
            if session.state == State.AWAITING_UPLOAD:
                return answers.NOT_STARTED
            if self.stop.is_set():
                # Take and release a session that waits for this container: that dispatches it again.
                if (job := self.begin(invocation, leases)) is not None:
                    job.release()
                return answers.STOPPING
            if session.state == State.PENDING:
                with self._slot() as free:
                    if not free or (job := self.begin(invocation, leases)) is None:
                        continue
                    self.run(job, self.stop)
                if self.stop.is_set() and not _has_ended(leases, session.id):
                    return answers.STOPPING  # the job was released
            else:
                self.stop.wait(POLL_S)

    def _answer_adhoc(self, invocation: Invocation) -> Answer:
        """Separate an ad-hoc song. Raises SettingError for invalid options."""
        choices = validate_choices(invocation.choices, self._limits)
        job = self._adhoc.get_or_add(AdhocJob(self._s3, invocation, choices, self._limits.max_song_s))
        if not job.is_same(invocation, choices):
            return answers.ID_IN_USE
        first = job.answer is None
        with job.lock:  # a second invocation waits for the first, and returns its result
            if job.answer is not None and (job.answer.status < 500 or first):
                return job.answer
            job.answer = None  # an internal error: a later invocation tries again
            while not self.stop.is_set():
                with self._slot() as free:
                    if free:
                        self.run(job, self.stop)
                        return job.answer or answers.STOPPING
            return answers.STOPPING

    def begin(self, invocation: Invocation, leases: Leases) -> LeasedJob | None:
        """Lease the session for this process; None: it isn't PENDING (any more)."""
        waiting = leases.sessions.store.get(invocation.session_id)
        if waiting is None or waiting.state != State.PENDING:
            return None
        # Use the dispatch as worker id, so that SageMaker's failure notice identifies the lease. If the session has
        # been requeued since that dispatch, use a random id, so that a second delivery isn't mistaken for the first.
        current = invocation.dispatch == str(Dispatch.of(waiting))
        worker = invocation.dispatch if current and invocation.dispatch else secrets.token_hex(16)
        session = leases.begin(invocation.session_id, worker)
        return None if session is None else LeasedJob(session, leases)

    def run(self, job: Job, stop: threading.Event) -> None:
        """Separate the song of a job, until it ends or `stop` is set."""
        run_job(job, self._separators, self._scratch, stop)

    @contextmanager
    def _slot(self) -> Iterator[bool]:
        """Wait up to POLL_S for a free slot and hold it; False: none is free, or the container is stopping."""
        if not self._slots.acquire(timeout=POLL_S):
            yield False
            return
        try:
            yield not self.stop.is_set()
        finally:
            self._slots.release()

    def _owns_place(self, session: Session, invocation: Invocation) -> bool:
        """Return whether the addresses in the invocation match the session's files."""
        expected = f"s3://{self._bucket}/{session.input_key}", f"s3://{self._bucket}/outputs"
        return (invocation.input.uri, invocation.output.uri) == expected


def _has_ended(leases: Leases, session_id: str) -> bool:
    session = leases.sessions.store.get(session_id)
    return session is None or session.state in ENDED
