"""Invocations, from what is asked to what is answered: each session's song is separated once, whoever asks.

What is known of a session stands in the table, if there is one and it knows the session; otherwise in this process.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from unbraid.aws.container import answers
from unbraid.aws.container.answers import Answer
from unbraid.aws.container.given import GivenObjects, GivenSessions, Nobody
from unbraid.aws.container.requests import BadRequest, Invocation
from unbraid.aws.dispatches import Dispatch
from unbraid.errors import SettingError
from unbraid.jobs.choices import checked
from unbraid.jobs.limits import Limits
from unbraid.jobs.ports import Changed
from unbraid.jobs.runner import run_job
from unbraid.jobs.separators import Separators
from unbraid.jobs.service import Service
from unbraid.jobs.session import ENDED, Choices, Session, State

LOOK_S = 1.0  # between two looks at what somebody else is doing
NEVER_S = 400 * 24 * 3600.0  # a time that no process lives to see

log = logging.getLogger(__name__)


class Calls:
    """Does what invocations ask for. For any number of threads; at most `concurrency` separate at once.

    `service` is that of the table, or None without one; `bucket` is where its files are.
    """

    def __init__(
        self,
        service: Service | None,
        bucket: str,
        limits: Limits,
        s3: Any,
        separators: Separators,
        scratch: Path,
    ) -> None:
        self.service, self._bucket, self._limits, self._s3 = service, bucket, limits, s3
        self._separators, self._scratch = separators, scratch
        self._given = GivenSessions()
        self._places = threading.Semaphore(0)
        self._answering, self._fewer = 0, threading.Condition()
        self.stop = threading.Event()
        """When it is set, what is worked on is given back, and nothing is begun."""

    def load(self, concurrency: int | None = None) -> int:
        """Load the model of whoever names none, and begin to work: on so many songs at once, or on as many as suit
        where it computes; how many. Raises UnbraidError where it can't be loaded."""
        from unbraid.separation.runtimes.choose import choose_gpu

        loaded = self._separators.get(checked(Choices(), self._limits).model)
        if concurrency is None:
            # A graphics card waits while a song is decoded or encoded; a processor never does.
            concurrency = 1 if choose_gpu(loaded.separator.model, "auto") is None else 2
        self._places.release(concurrency)
        return concurrency

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Until nothing is being answered; False: it still is after that time."""
        with self._fewer:
            return self._fewer.wait_for(lambda: self._answering == 0, timeout_s)

    def answer(self, body: bytes) -> Answer:
        """Do what is asked, if nobody does it or has done it; wait for its end."""
        with self._fewer:
            self._answering += 1
        try:
            return self._answer(body)
        finally:
            with self._fewer:
                self._answering -= 1
                self._fewer.notify_all()

    def _answer(self, body: bytes) -> Answer:
        try:
            invocation = Invocation.parse(body)
            service, session = self._find(invocation)
        except (BadRequest, SettingError) as problem:
            return answers.error(400, problem.message)
        if session is None:
            return answers.DELETED
        if service is self.service:
            if not self._is_ours(session, invocation):
                return answers.ELSEWHERE
        elif not _same(session, invocation, self._limits):
            return answers.ANOTHER
        return self._end_of(invocation, service)

    def _find(self, invocation: Invocation) -> tuple[Service, Session | None]:
        """Whose session it is, and its record; None: it is gone. Raises SettingError for choices that make no sense."""
        if self.service is not None:
            session = self.service.jobs.get(invocation.session_id)
            if session is not None or invocation.dispatch is not None:
                return self.service, session
        objects, nobody = GivenObjects(self._s3, invocation), Nobody()
        with suppress(Changed):
            self._given.add(_record(invocation, self._limits))
        session = self._given.get(invocation.session_id)
        if (
            session is not None
            and session.state == State.FAILED
            and answers.is_ours(session.error_message or "")
        ):
            with suppress(Changed):  # whoever asks again has it tried again
                session = self._given.save(session.to(State.PENDING, time.time()))
        return Service(self._given, objects, nobody, nobody, self._limits), session

    def _is_ours(self, session: Session, invocation: Invocation) -> bool:
        """Whether the addresses are those that the session's files have."""
        wanted = f"s3://{self._bucket}/{session.input_key}", f"s3://{self._bucket}/outputs"
        return (invocation.input.uri, invocation.output.uri) == wanted

    def _end_of(self, invocation: Invocation, service: Service) -> Answer:
        """Work on the session whenever it waits, until it has ended."""
        while True:
            session = service.jobs.get(invocation.session_id)
            if session is None:
                return answers.DELETED
            if session.state in ENDED:
                return answers.of(session, invocation)
            if session.state == State.AWAITING_UPLOAD:
                return answers.NOT_STARTED
            if self.stop.is_set():
                # What was sent here and waits is given back as well: it is dispatched anew.
                begun = self.begin(invocation, service)
                if begun is not None and begun.worker is not None:
                    service.give_back(begun.id, begun.worker)
                return answers.LEAVING
            if session.state == State.PENDING and self._places.acquire(timeout=LOOK_S):
                try:
                    begun = None if self.stop.is_set() else self.begin(invocation, service)
                    if begun is not None:
                        self.run(begun, service, self.stop)
                finally:
                    self._places.release()
                if begun is not None and self.stop.is_set() and not _ended(service, session.id):
                    return answers.LEAVING  # it was given back
            elif session.state == State.IN_PROGRESS:
                self.stop.wait(LOOK_S)

    def begin(self, invocation: Invocation, service: Service) -> Session | None:
        """Its session, taken by this process; None: it doesn't wait (any more)."""
        waiting = service.jobs.get(invocation.session_id)
        if waiting is None or waiting.state != State.PENDING:
            return None
        # A worker's name is nobody else's. That of the dispatch, by which its loss is told, is for the record that it
        # was sent for, as that can be begun but once; what comes later has a name without a meaning.
        sent_for = invocation.dispatch == str(Dispatch.of(waiting))
        worker = invocation.dispatch if sent_for and invocation.dispatch else secrets.token_hex(16)
        return service.begin(invocation.session_id, worker)

    def run(self, session: Session, service: Service, stop: threading.Event) -> None:
        """Separate the song of a session that `begin` gave, until its end or until `stop` is set."""
        assert session.worker is not None
        run_job(session, service, service.objects, self._separators, session.worker, self._scratch, stop)


def _record(invocation: Invocation, limits: Limits) -> Session:
    """What is known of a song that no table knows of. Raises SettingError."""
    now = time.time()
    return Session(
        id=invocation.session_id,
        file_name=invocation.song_name,
        file_type="",
        input_key=f"{invocation.input.uri}/song{PurePosixPath(invocation.input.key).suffix}",
        created_at=now,
        updated_at=now,
        expires_at=now + NEVER_S,
        state=State.PENDING,
        choices=checked(invocation.choices, limits),
        queued_at=now,
    )


def _same(session: Session, invocation: Invocation, limits: Limits) -> bool:
    """Whether a session that was remembered is what is asked for now."""
    asked = _record(invocation, limits)
    return (session.input_key, session.choices) == (asked.input_key, asked.choices)


def _ended(service: Service, session_id: str) -> bool:
    session = service.jobs.get(session_id)
    return session is None or session.state in ENDED
