"""Whatever users and workers do in whatever order, sessions go only where the table allows, and come to an end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from tests.jobs.memory import SONG, Desk, MemoryJobs

from unbraid.errors import JobError
from unbraid.jobs.session import ACTIVE, ENDED, TRANSITIONS, Choices, Session, State

WORKERS = st.sampled_from(["a", "b", "c"])
CHOICES = st.sampled_from([None, Choices(), Choices(stems="all", notify="me@example.org")])


class StrictJobs(MemoryJobs):
    """Sees each change that is saved."""

    def save(self, session: Session) -> Session:
        before = self.records.get(session.id)
        saved = super().save(session)
        assert before is not None
        assert saved.state == before.state or saved.state in TRANSITIONS[before.state]
        assert saved.state != State.IN_PROGRESS or before.worker in (None, saved.worker)
        return saved


class AnyOrder(RuleBasedStateMachine):
    """Three workers, of which each may die, sleep or be told to stop at any moment, and users without patience."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.desk.jobs = self.desk.service.jobs = StrictJobs()
        self.service = self.desk.service
        self.begun: dict[str, int] = defaultdict(int)
        self.ended: dict[str, int] = defaultdict(int)

    @rule(target=ids, uploaded=st.booleans())
    def upload(self, uploaded: bool) -> Any:
        session = self.service.upload("song.mp3", "audio/mpeg", "browser:a").session
        if uploaded:
            self.desk.objects.files[session.input_key] = SONG
        return session.id

    @rule(target=ids, choices=CHOICES)
    def bring_and_start(self, choices: Choices | None) -> Any:
        return self.desk.waiting(choices)

    @rule(session_id=ids, choices=CHOICES)
    def start(self, session_id: str, choices: Choices | None) -> None:
        before = self.desk.jobs.get(session_id)
        try:
            after = self.service.start(session_id, choices=choices)
        except JobError:
            assert self.desk.jobs.get(session_id) == before
            return
        assert after.state in ACTIVE | {State.COMPLETED}
        if before is not None and before.state not in ACTIVE | {State.COMPLETED}:
            self.begun[session_id] = 0

    @rule(worker=WORKERS)
    def take(self, worker: str) -> None:
        session = self.service.take(worker)
        if session is None:
            assert self.desk.jobs.pending(1) == []
        else:
            self.begun[session.id] += 1

    @rule(session_id=ids, worker=WORKERS, progress=st.floats(0, 1))
    def alive(self, session_id: str, worker: str, progress: float) -> None:
        theirs = self.is_theirs(session_id, worker)
        assert self.service.alive(session_id, worker, progress, "separating", 100.0) == theirs

    @rule(session_id=ids, worker=WORKERS)
    def complete(self, session_id: str, worker: str) -> None:
        theirs = self.is_theirs(session_id, worker)
        outputs = self.desk.outputs(session_id) if theirs else []
        assert self.service.complete(session_id, worker, outputs, 100.0, "lite") == theirs

    @rule(session_id=ids, worker=WORKERS)
    def fail(self, session_id: str, worker: str) -> None:
        theirs = self.is_theirs(session_id, worker)
        assert self.service.fail(session_id, worker, "No.") == theirs

    @rule(session_id=ids, worker=WORKERS)
    def give_back(self, session_id: str, worker: str) -> None:
        theirs = self.is_theirs(session_id, worker)
        assert self.service.give_back(session_id, worker) == theirs
        self.begun[session_id] -= theirs

    @rule(session_id=ids)
    def cancel(self, session_id: str) -> None:
        try:
            assert self.service.cancel(session_id).state in ENDED
        except JobError:
            assert session_id not in self.visible()

    @rule(session_id=ids)
    def cleanup(self, session_id: str) -> None:
        self.service.cleanup(session_id)
        assert self.desk.jobs.get(session_id) is None
        assert not [key for key in self.desk.objects.files if session_id in key]

    @rule(seconds=st.sampled_from([1.0, 14.0, 16.0, 3600.0, 90_000.0, 700_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.desk.now += seconds

    @rule()
    def recover(self) -> None:
        self.service.recover()
        assert self.desk.jobs.lapsed(self.desk.now) == []

    @rule()
    def sweep(self) -> None:
        self.service.sweep()
        assert self.desk.jobs.expired(self.desk.now, 1) == []
        assert {key.split("/")[1] for key in self.desk.objects.files} <= self.desk.jobs.records.keys()

    @rule(session_id=ids)
    def look(self, session_id: str) -> None:
        try:
            status = self.service.status(session_id)
        except JobError:
            assert session_id not in self.visible()
        else:
            assert status.eta_s is None or status.eta_s >= 0
            assert (status.queue_position is not None) == (status.session.state == State.PENDING)

    @invariant()
    def every_record_makes_sense(self) -> None:
        for session in self.desk.jobs.records.values():
            at_work = session.state == State.IN_PROGRESS
            assert (session.worker is not None) == (session.lease_until is not None) == at_work
            assert (session.finished_at is not None) == (session.state in ENDED)
            assert (session.error_message is not None) == (session.state == State.FAILED)
            assert bool(session.outputs) == (session.state == State.COMPLETED)
            assert 0 <= session.attempts <= 3
            assert all(output.key in self.desk.objects.files for output in session.outputs)
            if session.state in ACTIVE:
                assert session.attempts == self.begun[session.id]

    def teardown(self) -> None:
        """If all users leave and one worker that always dies stays, whatever waits fails in the end."""
        for _ in range(3 * len(self.desk.jobs.records) + 1):
            self.service.take("dying")
            self.desk.now += 16
            self.service.recover()
        assert not [s for s in self.desk.jobs.records.values() if s.state in ACTIVE]

    def is_theirs(self, session_id: str, worker: str) -> bool:
        session = self.desk.jobs.get(session_id)
        return session is not None and (session.state, session.worker) == (State.IN_PROGRESS, worker)

    def visible(self) -> set[str]:
        return {key for key, record in self.desk.jobs.records.items() if record.expires_at > self.desk.now}


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
