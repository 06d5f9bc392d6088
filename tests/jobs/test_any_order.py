"""In any order of actions, sessions make only allowed transitions, and all sessions end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from tests.jobs.memory import SONG, MemoryStore, Workspace

from unbraid.errors import JobError
from unbraid.jobs.session import ACTIVE, ENDED, TRANSITIONS, Choices, Session, State

WORKERS = st.sampled_from(["a", "b", "c"])
CHOICES = st.sampled_from([None, Choices(), Choices(stems="all", notify="me@example.org")])


class StrictStore(MemoryStore):
    """A store that checks every saved change."""

    def save(self, session: Session) -> Session:
        before = self.records.get(session.id)
        saved = super().save(session)
        assert before is not None
        assert saved.state == before.state or saved.state in TRANSITIONS[before.state]
        assert saved.state != State.IN_PROGRESS or before.worker in (None, saved.worker)
        return saved


class AnyOrder(RuleBasedStateMachine):
    """Three workers that may die, sleep or stop at any moment, and impatient users."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.workspace = Workspace()
        self.workspace.store = self.workspace.sessions.store = StrictStore()
        self.service, self.leases = self.workspace.service, self.workspace.leases
        self.sweeper = self.workspace.sweeper
        self.begun: dict[str, int] = defaultdict(int)
        self.ended: dict[str, int] = defaultdict(int)

    @rule(target=ids, uploaded=st.booleans())
    def upload(self, uploaded: bool) -> Any:
        session = self.service.upload("song.mp3", "audio/mpeg", "browser:a").session
        if uploaded:
            self.workspace.objects.files[session.input_key] = SONG
        return session.id

    @rule(target=ids, choices=CHOICES)
    def upload_and_start(self, choices: Choices | None) -> Any:
        return self.workspace.waiting(choices)

    @rule(session_id=ids, choices=CHOICES)
    def start(self, session_id: str, choices: Choices | None) -> None:
        before = self.workspace.store.get(session_id)
        try:
            after = self.service.start(session_id, choices=choices)
        except JobError:
            assert self.workspace.store.get(session_id) == before
            return
        assert after.state in ACTIVE | {State.COMPLETED}
        if before is not None and before.state not in ACTIVE | {State.COMPLETED}:
            self.begun[session_id] = 0

    @rule(worker=WORKERS)
    def take(self, worker: str) -> None:
        session = self.leases.take(worker)
        if session is None:
            assert self.workspace.store.pending(1) == []
        else:
            self.begun[session.id] += 1

    @rule(session_id=ids, worker=WORKERS, progress=st.floats(0, 1))
    def renew_lease(self, session_id: str, worker: str, progress: float) -> None:
        held = self.holds_lease(session_id, worker)
        assert self.leases.renew_lease(session_id, worker, progress, "separating", 100.0) == held

    @rule(session_id=ids, worker=WORKERS)
    def complete(self, session_id: str, worker: str) -> None:
        held = self.holds_lease(session_id, worker)
        outputs = self.workspace.outputs(session_id) if held else []
        assert self.leases.complete(session_id, worker, outputs, 100.0, "lite") == held

    @rule(session_id=ids, worker=WORKERS)
    def fail(self, session_id: str, worker: str) -> None:
        held = self.holds_lease(session_id, worker)
        assert self.leases.fail(session_id, worker, "No.") == held

    @rule(session_id=ids, worker=WORKERS)
    def release(self, session_id: str, worker: str) -> None:
        held = self.holds_lease(session_id, worker)
        assert self.leases.release(session_id, worker) == held
        self.begun[session_id] -= held

    @rule(session_id=ids)
    def cancel(self, session_id: str) -> None:
        try:
            assert self.service.cancel(session_id).state in ENDED
        except JobError:
            assert session_id not in self.visible()

    @rule(session_id=ids)
    def cleanup(self, session_id: str) -> None:
        self.service.cleanup(session_id)
        assert self.workspace.store.get(session_id) is None
        assert not [key for key in self.workspace.objects.files if session_id in key]

    @rule(seconds=st.sampled_from([1.0, 14.0, 16.0, 3600.0, 90_000.0, 700_000.0]))
    def advance_clock(self, seconds: float) -> None:
        self.workspace.now += seconds

    @rule()
    def recover(self) -> None:
        self.sweeper.recover()
        assert self.workspace.store.lapsed(self.workspace.now) == []

    @rule()
    def sweep(self) -> None:
        self.sweeper.sweep()
        assert self.workspace.store.expired(self.workspace.now, 1) == []
        assert {
            key.split("/")[1] for key in self.workspace.objects.files
        } <= self.workspace.store.records.keys()

    @rule(session_id=ids)
    def status(self, session_id: str) -> None:
        try:
            status = self.service.status(session_id)
        except JobError:
            assert session_id not in self.visible()
        else:
            assert status.wait.eta_s is None or status.wait.eta_s >= 0
            assert (status.wait.position is not None) == (status.session.state == State.PENDING)

    @invariant()
    def every_record_is_consistent(self) -> None:
        for session in self.workspace.store.records.values():
            running = session.state == State.IN_PROGRESS
            assert (session.worker is not None) == (session.lease_until is not None) == running
            assert (session.finished_at is not None) == (session.state in ENDED)
            assert (session.error_message is not None) == (session.state == State.FAILED)
            assert bool(session.outputs) == (session.state == State.COMPLETED)
            assert 0 <= session.attempts <= 3
            assert all(output.key in self.workspace.objects.files for output in session.outputs)
            if session.state in ACTIVE:
                assert session.attempts == self.begun[session.id]

    def teardown(self) -> None:
        """Check that all waiting sessions fail in the end if the only worker always dies."""
        for _ in range(3 * len(self.workspace.store.records) + 1):
            self.leases.take("dying")
            self.workspace.now += 16
            self.sweeper.recover()
        assert not [s for s in self.workspace.store.records.values() if s.state in ACTIVE]

    def holds_lease(self, session_id: str, worker: str) -> bool:
        session = self.workspace.store.get(session_id)
        return session is not None and (session.state, session.worker) == (State.IN_PROGRESS, worker)

    def visible(self) -> set[str]:
        return {
            key
            for key, record in self.workspace.store.records.items()
            if record.expires_at > self.workspace.now
        }


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
