"""Leases of workers, and the sweeper that handles dead ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.jobs.memory import Workspace

from unbraid.errors import Fault
from unbraid.jobs.session import Choices, Session, State
from unbraid.jobs.sweeper import FAILURES_IN_A_ROW

MINUTE = 60
NOTIFY = Choices(notify="me@example.org")


def test_takes_the_longest_waiting_session_first(workspace: Workspace) -> None:
    ids = []
    for _ in range(12):
        ids.append(workspace.waiting())
        workspace.now += 1
    taken = [workspace.leases.take(f"w{number}") for number in range(13)]
    assert [session and session.id for session in taken] == [*ids, None]
    first = taken[0]
    assert first is not None
    assert (first.state, first.worker, first.attempts) == (State.IN_PROGRESS, "w0", 1)
    assert (first.started_at, first.lease_until) == (workspace.now, workspace.now + 15)


def test_session_can_be_leased_once(workspace: Workspace) -> None:
    session_id = workspace.waiting()
    begun = workspace.leases.begin(session_id, "a")
    assert begun is not None
    assert begun.worker == "a"
    assert workspace.leases.begin(session_id, "b") is None
    assert workspace.leases.begin("unknown", "b") is None
    assert workspace.leases.take("b") is None
    assert workspace.record(session_id) == begun


def test_take_skips_sessions_that_another_worker_took(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers read the same queue, and the other worker takes the first session."""
    first, second = workspace.waiting(), None
    workspace.now += 1
    second = workspace.waiting()
    stale = workspace.store.pending(10)
    workspace.leases.take("quick")
    queues = iter([stale])
    pending = workspace.store.pending
    monkeypatch.setattr(workspace.store, "pending", lambda limit: next(queues, None) or pending(limit))
    taken = workspace.leases.take("slow")
    assert taken is not None
    assert taken.id == second
    assert workspace.record(first).worker == "quick"


def test_renewal_extends_the_lease_and_records_progress(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.now += 10
    assert workspace.leases.renew_lease(session_id, "w", 0.25, "separating", 180.0)
    record = workspace.record(session_id)
    assert (record.progress, record.stage, record.duration_s) == (0.25, "separating", 180.0)
    assert record.lease_until == workspace.now + 15
    assert workspace.leases.renew_lease(session_id, "w")
    again = workspace.record(session_id)
    assert (again.progress, again.stage, again.duration_s) == (0.25, "separating", 180.0)


@pytest.mark.parametrize(("reported", "recorded"), [(-0.5, 0.0), (1.5, 1.0)])
def test_progress_is_clamped_to_0_and_1(workspace: Workspace, reported: float, recorded: float) -> None:
    session_id = workspace.working()
    workspace.leases.renew_lease(session_id, "w", reported, "separating")
    assert workspace.record(session_id).progress == recorded


def test_time_to_load_the_model_does_not_count_for_the_song(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.now += 5
    workspace.leases.renew_lease(session_id, "w")
    assert workspace.record(session_id).started_at == workspace.now - 5
    workspace.leases.renew_lease(session_id, "w", 0.0, "analysing")
    assert workspace.record(session_id).started_at == workspace.now


def test_download_time_does_not_count_for_the_song(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.leases.renew_lease(session_id, "w", 0.0, "downloading")
    workspace.now += 100
    workspace.leases.renew_lease(session_id, "w", 0.9, "downloading")
    assert workspace.record(session_id).started_at == workspace.now - 100
    workspace.leases.renew_lease(session_id, "w", 0.0, "analysing")
    assert workspace.record(session_id).started_at == workspace.now
    workspace.now += 10
    workspace.leases.renew_lease(session_id, "w", 0.1, "separating")
    assert workspace.record(session_id).started_at == workspace.now - 10


def test_only_the_leaseholder_can_change_a_session(workspace: Workspace) -> None:
    session_id = workspace.working("a")
    before = workspace.record(session_id)
    assert not workspace.leases.renew_lease(session_id, "b", 0.5)
    assert not workspace.leases.complete(session_id, "b", [], 1.0, "lite")
    assert not workspace.leases.fail(session_id, "b", "No.")
    assert not workspace.leases.release(session_id, "b")
    assert workspace.record(session_id) == before


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "cleanup", "release"])
def test_worker_cannot_change_an_ended_session(workspace: Workspace, end: str) -> None:
    session_id = workspace.working()
    if end == "complete":
        assert workspace.leases.complete(session_id, "w", workspace.outputs(session_id), 180.0, "lite")
    elif end == "fail":
        assert workspace.leases.fail(session_id, "w", "No.")
    elif end == "release":
        assert workspace.leases.release(session_id, "w")
    else:
        getattr(workspace.service, end)(session_id)
    before = workspace.store.get(session_id)
    assert not workspace.leases.renew_lease(session_id, "w", 0.5)
    assert not workspace.leases.complete(session_id, "w", [], 1.0, "other")
    assert not workspace.leases.fail(session_id, "w", "Yes.")
    assert not workspace.leases.release(session_id, "w")
    assert workspace.store.get(session_id) == before


def test_completed_session_has_outputs_and_expires_after_seven_days(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.now += MINUTE
    outputs = workspace.outputs(session_id)
    assert workspace.leases.complete(session_id, "w", outputs, 180.0, "lite", ["quiet"])
    record = workspace.record(session_id)
    assert (record.state, record.progress, record.outputs) == (State.COMPLETED, 1.0, tuple(outputs))
    assert (record.duration_s, record.model_used, record.warnings) == (180.0, "lite", ("quiet",))
    assert (record.finished_at, record.expires_at) == (workspace.now, workspace.now + 7 * 86400)
    assert (record.worker, record.lease_until, record.stage) == (None, None, None)


def test_released_session_keeps_its_place_and_its_attempts(workspace: Workspace) -> None:
    first = workspace.waiting()
    workspace.now += 1
    workspace.waiting()
    for _ in range(10):
        session = workspace.leases.take("w")
        assert session is not None
        assert (session.id, session.attempts) == (first, 1)
        workspace.leases.renew_lease(first, "w", 0.5, "separating")
        assert workspace.leases.release(first, "w")
    record = workspace.record(first)
    assert (record.state, record.attempts, record.progress, record.stage) == (State.PENDING, 0, 0.0, None)
    assert workspace.outbox.dispatched[-1] == record


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_end_is_notified_once_with_or_without_email_address(workspace: Workspace, end: str) -> None:
    for choices in (NOTIFY, Choices()):
        session_id = workspace.working(choices=choices)
        for worker in ("w", "w", "other"):
            if end == "complete":
                workspace.leases.complete(session_id, worker, [], 1.0, "lite")
            else:
                workspace.leases.fail(session_id, worker, "No.")
    assert [session.choices for session in workspace.outbox.notified] == [NOTIFY, Choices()]


# Sweeper


def test_renewed_lease_is_not_recovered(workspace: Workspace) -> None:
    session_id = workspace.working()
    for _ in range(10):
        workspace.now += 14.9
        assert workspace.sweeper.recover() == 0
        assert workspace.leases.renew_lease(session_id, "w")


def test_expired_lease_goes_to_another_worker(workspace: Workspace) -> None:
    session_id = workspace.working("dead")
    workspace.leases.renew_lease(session_id, "dead", 0.5, "separating")
    workspace.now += 15
    assert (workspace.sweeper.recover(), workspace.sweeper.recover()) == (1, 0)
    assert workspace.outbox.dispatched[-1] == workspace.record(session_id)
    session = workspace.leases.take("next")
    assert session is not None
    assert (session.id, session.attempts, session.progress) == (session_id, 2, 0.0)
    assert not workspace.leases.renew_lease(session_id, "dead")  # in case it was only suspended
    assert not workspace.leases.complete(session_id, "dead", [], 1.0, "lite")
    assert workspace.leases.renew_lease(session_id, "next")


def test_session_fails_after_killing_three_workers(workspace: Workspace) -> None:
    session_id = workspace.waiting(NOTIFY)
    for attempt in (1, 2, 3):
        session = workspace.leases.take("w")
        assert session is not None
        assert session.attempts == attempt
        workspace.now += 15
        assert workspace.sweeper.recover() == 1
    record = workspace.record(session_id)
    assert record.state == State.FAILED
    assert record.error_message == (
        "Separating this song made the program stop three times. "
        "Try another model, or convert the song to WAV or MP3 first."
    )
    assert record.error_fault == Fault.OURS
    assert workspace.outbox.notified == [record]
    assert workspace.sweeper.recover() == 0
    assert workspace.service.start(session_id).attempts == 0  # the user may start it again


def test_reclaim_requeues_the_session_of_a_dead_worker_immediately(workspace: Workspace) -> None:
    session_id = workspace.working("dead")
    assert not workspace.leases.reclaim(session_id, "another")
    assert workspace.leases.reclaim(session_id, "dead")
    assert workspace.outbox.dispatched[-1] == workspace.record(session_id)
    assert not workspace.leases.reclaim(session_id, "dead")  # duplicate notice
    assert workspace.leases.begin(session_id, "next")
    assert not workspace.leases.reclaim(session_id, "dead")  # late notice
    assert workspace.state(session_id) == State.IN_PROGRESS


def test_session_fails_after_three_reclaims(workspace: Workspace) -> None:
    session_id = workspace.waiting(NOTIFY)
    for attempt in ("one", "two", "three"):
        assert workspace.leases.begin(session_id, attempt)
        workspace.outputs(session_id)
        assert workspace.leases.reclaim(session_id, attempt)
    assert (workspace.state(session_id), workspace.outbox.notified) == (
        State.FAILED,
        [workspace.record(session_id)],
    )
    assert {key.split("/")[0] for key in workspace.objects.files} == {"inputs"}


def test_redispatch_fails_the_session_after_the_last_attempt(workspace: Workspace) -> None:
    session_id = workspace.waiting(NOTIFY)
    first = workspace.record(session_id).version
    assert workspace.leases.begin(session_id, "w")
    assert not workspace.leases.redispatch(session_id, first, "No.")  # a worker has begun
    assert workspace.leases.release(session_id, "w")
    assert not workspace.leases.redispatch(session_id, first, "No.")  # that was the previous dispatch
    for dispatched in (3, 4):
        last = workspace.record(session_id).version
        assert workspace.leases.redispatch(session_id, last, "No.")
        assert not workspace.leases.redispatch(session_id, last, "No.")  # duplicate notice
        assert (workspace.state(session_id), len(workspace.outbox.dispatched)) == (State.PENDING, dispatched)
    assert workspace.leases.redispatch(session_id, workspace.record(session_id).version, "No.")
    record = workspace.record(session_id)
    assert (record.state, record.error_message, workspace.outbox.notified) == (State.FAILED, "No.", [record])


def test_remind_dispatches_sessions_that_wait_unchanged(workspace: Workspace) -> None:
    waiting, working = workspace.waiting(), workspace.working()
    before = len(workspace.outbox.dispatched)
    workspace.now += 59
    assert workspace.sweeper.remind(60) == (0, [])
    workspace.now += 1
    assert (workspace.sweeper.remind(60), workspace.sweeper.remind(60)) == ((1, []), (0, []))
    assert workspace.outbox.dispatched[before:] == [workspace.record(waiting)]
    assert workspace.state(working) == State.IN_PROGRESS


def test_one_session_that_cannot_be_dispatched_stops_no_other_and_keeps_waiting(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [workspace.waiting() for _ in range(4)]
    refused, dispatch = ids[1], workspace.outbox.dispatch

    def refuse_one(session: Session) -> None:
        if session.id == refused:
            raise ConnectionError("refused")
        dispatch(session)

    monkeypatch.setattr(workspace.outbox, "dispatch", refuse_one)
    workspace.outbox.dispatched.clear()
    workspace.now += 60
    dispatched, errors = workspace.sweeper.remind(60)
    assert (dispatched, [str(error) for error in errors]) == (3, ["refused"])
    assert {session.id for session in workspace.outbox.dispatched} == {*ids} - {refused}
    record = workspace.record(refused)
    assert (record.state, record.undispatched, record.attempts) == (State.PENDING, True, 0)


def test_an_absent_dispatcher_is_asked_three_times_for_many_sessions(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [workspace.waiting() for _ in range(10)]
    asked: list[Session] = []

    def away(session: Session) -> None:
        asked.append(session)
        raise ConnectionError("away")

    monkeypatch.setattr(workspace.outbox, "dispatch", away)
    workspace.now += 60
    assert len(workspace.sweeper.remind(60).errors) == len(asked) == FAILURES_IN_A_ROW == 3
    assert {workspace.state(session_id) for session_id in ids} == {State.PENDING}


@pytest.mark.parametrize("end", ["recover", "reclaim", "release", "redispatch"])
def test_requeued_session_waits_if_it_cannot_be_dispatched(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    def away(_session: Session) -> None:
        raise ConnectionError("away")

    session_id = workspace.waiting() if end == "redispatch" else workspace.working("w")
    monkeypatch.setattr(workspace.outbox, "dispatch", away)
    if end == "recover":
        workspace.now += 60
        assert workspace.sweeper.recover() == 1
    elif end == "redispatch":
        assert workspace.leases.redispatch(session_id, workspace.record(session_id).version, "No.")
    else:
        assert getattr(workspace.leases, end)(session_id, "w")
    assert (workspace.state(session_id), workspace.record(session_id).undispatched) == (State.PENDING, True)
    monkeypatch.undo()
    assert workspace.sweeper.remind(1800) == (1, [])


def test_failed_and_cancelled_sessions_keep_no_outputs(workspace: Workspace) -> None:
    failed, cancelled, waiting = (workspace.waiting() for _ in range(3))
    for session_id in (failed, cancelled):
        for _ in range(workspace.service.limits.max_attempts if session_id == failed else 1):
            assert workspace.leases.begin(session_id, "killed")
            workspace.outputs(session_id)
            workspace.now += 15
            assert workspace.sweeper.recover() == 1
    workspace.service.cancel(cancelled)
    assert (workspace.state(failed), workspace.state(cancelled)) == (State.FAILED, State.CANCELLED)
    assert {key.split("/")[0] for key in workspace.objects.files} == {"inputs"}
    workspace.leases.begin(waiting, "w")
    workspace.outputs(waiting)
    assert not workspace.sessions.delete_abandoned_outputs(waiting)
    assert len(workspace.objects.files) == 3 + 6


def test_lease_renewed_during_recovery_is_kept(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = workspace.working()
    workspace.now += 15
    lapsed = workspace.store.lapsed(workspace.now)
    assert workspace.leases.renew_lease(session_id, "w")
    monkeypatch.setattr(workspace.store, "lapsed", lambda now: lapsed)
    assert workspace.sweeper.recover() == 0
    assert workspace.state(session_id) == State.IN_PROGRESS


def test_sweeps_uploads_after_a_day_and_results_after_seven(workspace: Workspace) -> None:
    day = 86400
    upload, done = workspace.uploaded(), workspace.completed()
    failed = workspace.working()
    workspace.leases.fail(failed, "w", "No.")
    workspace.now += day - 1
    assert workspace.sweeper.sweep() == (0, 0)
    workspace.now += 1
    assert workspace.sweeper.sweep() == (1, 0)
    assert upload not in workspace.store.records
    workspace.now += 6 * day - 1
    assert workspace.sweeper.sweep() == (0, 0)
    workspace.now += 1
    assert workspace.sweeper.sweep() == (2, 0)
    assert (workspace.store.records, workspace.objects.files, done in workspace.store.records) == (
        {},
        {},
        False,
    )


def test_running_session_does_not_expire() -> None:
    workspace = Workspace(results_s=1, upload_s=2)
    session_id = workspace.working()
    for _ in range(5):
        workspace.now += 1.5
        assert workspace.leases.renew_lease(session_id, "w")
        assert workspace.sweeper.sweep() == (0, 0)


def test_sweeps_more_sessions_than_one_batch(workspace: Workspace) -> None:
    for _ in range(250):
        workspace.uploaded()
    workspace.now += 86400
    assert workspace.sweeper.sweep() == (250, 0)
    assert workspace.objects.files == {}


def test_sweeps_files_without_a_session_but_not_foreign_files(workspace: Workspace) -> None:
    kept, gone = workspace.completed(), workspace.completed()
    workspace.store.delete(gone)
    workspace.objects.files[f"mixes/{gone}/mix.wav"] = b"RIFF"
    workspace.objects.files["inputs/lost+found/x"] = b"x"  # not a session id
    assert workspace.sweeper.sweep() == (0, 8)
    assert {key.split("/")[1] for key in workspace.objects.files} == {kept, "lost+found"}
    assert workspace.sweeper.sweep() == (0, 0)


def test_only_transitions_in_the_table_are_allowed(workspace: Workspace) -> None:
    record = workspace.record(workspace.completed())
    for state in State:
        with pytest.raises(ValueError, match="can't go from COMPLETED"):
            record.to(state, 0.0)
    pending = replace(record, state=State.PENDING).to(State.IN_PROGRESS, 5.0, worker="w")
    assert (pending.state, pending.updated_at, pending.worker) == (State.IN_PROGRESS, 5.0, "w")
