"""What whoever works on sessions can count on, and what others can count on of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.jobs.memory import Workspace

from unbraid.jobs.session import Choices, State

MINUTE = 60
NOTIFY = Choices(notify="me@example.org")


def test_who_waits_longest_is_taken_first(workspace: Workspace) -> None:
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


def test_one_session_can_be_begun_once(workspace: Workspace) -> None:
    session_id = workspace.waiting()
    begun = workspace.leases.begin(session_id, "a")
    assert begun is not None
    assert begun.worker == "a"
    assert workspace.leases.begin(session_id, "b") is None
    assert workspace.leases.begin("unknown", "b") is None
    assert workspace.leases.take("b") is None
    assert workspace.record(session_id) == begun


def test_what_another_takes_in_between_is_left_to_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both read the same queue; the other is quicker with the first."""
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


def test_a_sign_of_life_tells_how_far_it_is_and_keeps_the_lease(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.now += 10
    assert workspace.leases.renew_lease(session_id, "w", 0.25, "separating", 180.0)
    record = workspace.record(session_id)
    assert (record.progress, record.stage, record.duration_s) == (0.25, "separating", 180.0)
    assert record.lease_until == workspace.now + 15
    assert workspace.leases.renew_lease(session_id, "w")
    again = workspace.record(session_id)
    assert (again.progress, again.stage, again.duration_s) == (0.25, "separating", 180.0)


@pytest.mark.parametrize(("told", "kept"), [(-0.5, 0.0), (1.5, 1.0)])
def test_progress_stays_between_none_and_all(workspace: Workspace, told: float, kept: float) -> None:
    session_id = workspace.working()
    workspace.leases.renew_lease(session_id, "w", told, "separating")
    assert workspace.record(session_id).progress == kept


def test_the_time_of_a_download_is_not_the_songs(workspace: Workspace) -> None:
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


def test_nobody_but_its_worker_can_change_it(workspace: Workspace) -> None:
    session_id = workspace.working("a")
    before = workspace.record(session_id)
    assert not workspace.leases.renew_lease(session_id, "b", 0.5)
    assert not workspace.leases.complete(session_id, "b", [], 1.0, "lite")
    assert not workspace.leases.fail(session_id, "b", "No.")
    assert not workspace.leases.release(session_id, "b")
    assert workspace.record(session_id) == before


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "cleanup", "give_back"])
def test_after_the_end_nothing_changes_any_more(workspace: Workspace, end: str) -> None:
    session_id = workspace.working()
    if end == "complete":
        assert workspace.leases.complete(session_id, "w", workspace.outputs(session_id), 180.0, "lite")
    elif end == "fail":
        assert workspace.leases.fail(session_id, "w", "No.")
    elif end == "give_back":
        assert workspace.leases.release(session_id, "w")
    else:
        getattr(workspace.service, end)(session_id)
    before = workspace.store.get(session_id)
    assert not workspace.leases.renew_lease(session_id, "w", 0.5)
    assert not workspace.leases.complete(session_id, "w", [], 1.0, "other")
    assert not workspace.leases.fail(session_id, "w", "Yes.")
    assert not workspace.leases.release(session_id, "w")
    assert workspace.store.get(session_id) == before


def test_a_completed_session_has_its_files_and_seven_days(workspace: Workspace) -> None:
    session_id = workspace.working()
    workspace.now += MINUTE
    outputs = workspace.outputs(session_id)
    assert workspace.leases.complete(session_id, "w", outputs, 180.0, "lite", ["quiet"])
    record = workspace.record(session_id)
    assert (record.state, record.progress, record.outputs) == (State.COMPLETED, 1.0, tuple(outputs))
    assert (record.duration_s, record.model_used, record.warnings) == (180.0, "lite", ("quiet",))
    assert (record.finished_at, record.expires_at) == (workspace.now, workspace.now + 7 * 86400)
    assert (record.worker, record.lease_until, record.stage) == (None, None, None)


def test_what_is_given_back_waits_again_in_its_place_and_did_not_count(workspace: Workspace) -> None:
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
def test_an_end_is_told_once_whether_or_not_somebody_wants_a_letter(workspace: Workspace, end: str) -> None:
    for choices in (NOTIFY, Choices()):
        session_id = workspace.working(choices=choices)
        for worker in ("w", "w", "other"):
            if end == "complete":
                workspace.leases.complete(session_id, worker, [], 1.0, "lite")
            else:
                workspace.leases.fail(session_id, worker, "No.")
    assert [told.choices for told in workspace.outbox.notified] == [NOTIFY, Choices()]


# Upkeep


def test_a_living_worker_keeps_its_session(workspace: Workspace) -> None:
    session_id = workspace.working()
    for _ in range(10):
        workspace.now += 14.9
        assert workspace.sweeper.recover() == 0
        assert workspace.leases.renew_lease(session_id, "w")


def test_the_session_of_a_dead_worker_is_taken_up_by_another(workspace: Workspace) -> None:
    session_id = workspace.working("dead")
    workspace.leases.renew_lease(session_id, "dead", 0.5, "separating")
    workspace.now += 15
    assert (workspace.sweeper.recover(), workspace.sweeper.recover()) == (1, 0)
    assert workspace.outbox.dispatched[-1] == workspace.record(session_id)
    session = workspace.leases.take("next")
    assert session is not None
    assert (session.id, session.attempts, session.progress) == (session_id, 2, 0.0)
    assert not workspace.leases.renew_lease(session_id, "dead")  # should it only have slept
    assert not workspace.leases.complete(session_id, "dead", [], 1.0, "lite")
    assert workspace.leases.renew_lease(session_id, "next")


def test_a_song_that_kills_three_workers_fails_and_says_so(workspace: Workspace) -> None:
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
    assert workspace.outbox.notified == [record]
    assert workspace.sweeper.recover() == 0
    assert workspace.service.start(session_id).attempts == 0  # the user may insist


def test_a_worker_known_to_be_gone_loses_its_session_at_once(workspace: Workspace) -> None:
    session_id = workspace.working("dead")
    assert not workspace.leases.reclaim(session_id, "another")
    assert workspace.leases.reclaim(session_id, "dead")
    assert workspace.outbox.dispatched[-1] == workspace.record(session_id)
    assert not workspace.leases.reclaim(session_id, "dead")  # told twice
    assert workspace.leases.begin(session_id, "next")
    assert not workspace.leases.reclaim(session_id, "dead")  # told late
    assert workspace.state(session_id) == State.IN_PROGRESS


def test_a_worker_lost_three_times_ends_the_session(workspace: Workspace) -> None:
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


def test_what_nobody_will_begin_is_dispatched_anew_and_fails_in_the_end(workspace: Workspace) -> None:
    session_id = workspace.waiting(NOTIFY)
    first = workspace.record(session_id).version
    assert workspace.leases.begin(session_id, "w")
    assert not workspace.leases.redispatch(session_id, first, "No.")  # it has begun
    assert workspace.leases.release(session_id, "w")
    assert not workspace.leases.redispatch(session_id, first, "No.")  # that was the time before
    for dispatched in (3, 4):
        last = workspace.record(session_id).version
        assert workspace.leases.redispatch(session_id, last, "No.")
        assert not workspace.leases.redispatch(session_id, last, "No.")  # told twice
        assert (workspace.state(session_id), len(workspace.outbox.dispatched)) == (State.PENDING, dispatched)
    assert workspace.leases.redispatch(session_id, workspace.record(session_id).version, "No.")
    record = workspace.record(session_id)
    assert (record.state, record.error_message, workspace.outbox.notified) == (State.FAILED, "No.", [record])


def test_what_waits_unchanged_for_long_is_dispatched_anew(workspace: Workspace) -> None:
    waiting, working = workspace.waiting(), workspace.working()
    told = len(workspace.outbox.dispatched)
    workspace.now += 59
    assert workspace.sweeper.remind(60) == 0
    workspace.now += 1
    assert (workspace.sweeper.remind(60), workspace.sweeper.remind(60)) == (1, 0)
    assert workspace.outbox.dispatched[told:] == [workspace.record(waiting)]
    assert workspace.state(working) == State.IN_PROGRESS


def test_what_failed_or_was_cancelled_keeps_no_half_of_its_stems(workspace: Workspace) -> None:
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


def test_a_worker_that_wakes_in_the_moment_of_recovery_keeps_its_session(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = workspace.working()
    workspace.now += 15
    lapsed = workspace.store.lapsed(workspace.now)
    assert workspace.leases.renew_lease(session_id, "w")
    monkeypatch.setattr(workspace.store, "lapsed", lambda now: lapsed)
    assert workspace.sweeper.recover() == 0
    assert workspace.state(session_id) == State.IN_PROGRESS


def test_uploads_never_started_go_after_a_day_results_after_seven(workspace: Workspace) -> None:
    day = 86400
    upload, done = workspace.brought(), workspace.completed()
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


def test_what_is_worked_on_does_not_expire() -> None:
    workspace = Workspace(results_s=1, upload_s=2)
    session_id = workspace.working()
    for _ in range(5):
        workspace.now += 1.5
        assert workspace.leases.renew_lease(session_id, "w")
        assert workspace.sweeper.sweep() == (0, 0)


def test_many_expire_at_once(workspace: Workspace) -> None:
    for _ in range(250):
        workspace.brought()
    workspace.now += 86400
    assert workspace.sweeper.sweep() == (250, 0)
    assert workspace.objects.files == {}


def test_files_without_a_session_are_swept_and_others_files_are_not(workspace: Workspace) -> None:
    kept, gone = workspace.completed(), workspace.completed()
    workspace.store.delete(gone)
    workspace.objects.files[f"mixes/{gone}/mix.wav"] = b"RIFF"
    workspace.objects.files["inputs/lost+found/x"] = b"x"  # no name of ours
    assert workspace.sweeper.sweep() == (0, 8)
    assert {key.split("/")[1] for key in workspace.objects.files} == {kept, "lost+found"}
    assert workspace.sweeper.sweep() == (0, 0)


def test_states_follow_each_other_only_as_the_table_says(workspace: Workspace) -> None:
    record = workspace.record(workspace.completed())
    for state in State:
        with pytest.raises(ValueError, match="can't go from COMPLETED"):
            record.to(state, 0.0)
    pending = replace(record, state=State.PENDING).to(State.IN_PROGRESS, 5.0, worker="w")
    assert (pending.state, pending.updated_at, pending.worker) == (State.IN_PROGRESS, 5.0, "w")
