"""What whoever works on sessions can count on, and what others can count on of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.jobs.memory import Desk

from unbraid.jobs.session import Choices, State

MINUTE = 60
NOTIFY = Choices(notify="me@example.org")


def test_who_waits_longest_is_taken_first(desk: Desk) -> None:
    ids = []
    for _ in range(12):
        ids.append(desk.waiting())
        desk.now += 1
    taken = [desk.service.take(f"w{number}") for number in range(13)]
    assert [session and session.id for session in taken] == [*ids, None]
    first = taken[0]
    assert first is not None
    assert (first.state, first.worker, first.attempts) == (State.IN_PROGRESS, "w0", 1)
    assert (first.started_at, first.lease_until) == (desk.now, desk.now + 15)


def test_one_session_can_be_begun_once(desk: Desk) -> None:
    session_id = desk.waiting()
    begun = desk.service.begin(session_id, "a")
    assert begun is not None
    assert begun.worker == "a"
    assert desk.service.begin(session_id, "b") is None
    assert desk.service.begin("unknown", "b") is None
    assert desk.service.take("b") is None
    assert desk.record(session_id) == begun


def test_what_another_takes_in_between_is_left_to_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both read the same queue; the other is quicker with the first."""
    first, second = desk.waiting(), None
    desk.now += 1
    second = desk.waiting()
    stale = desk.jobs.pending(10)
    desk.service.take("quick")
    queues = iter([stale])
    pending = desk.jobs.pending
    monkeypatch.setattr(desk.jobs, "pending", lambda limit: next(queues, None) or pending(limit))
    taken = desk.service.take("slow")
    assert taken is not None
    assert taken.id == second
    assert desk.record(first).worker == "quick"


def test_a_sign_of_life_tells_how_far_it_is_and_keeps_the_lease(desk: Desk) -> None:
    session_id = desk.working()
    desk.now += 10
    assert desk.service.alive(session_id, "w", 0.25, "separating", 180.0)
    record = desk.record(session_id)
    assert (record.progress, record.stage, record.duration_s) == (0.25, "separating", 180.0)
    assert record.lease_until == desk.now + 15
    assert desk.service.alive(session_id, "w")
    again = desk.record(session_id)
    assert (again.progress, again.stage, again.duration_s) == (0.25, "separating", 180.0)


@pytest.mark.parametrize(("told", "kept"), [(-0.5, 0.0), (1.5, 1.0)])
def test_progress_stays_between_none_and_all(desk: Desk, told: float, kept: float) -> None:
    session_id = desk.working()
    desk.service.alive(session_id, "w", told, "separating")
    assert desk.record(session_id).progress == kept


def test_the_time_of_a_download_is_not_the_songs(desk: Desk) -> None:
    session_id = desk.working()
    desk.service.alive(session_id, "w", 0.0, "downloading")
    desk.now += 100
    desk.service.alive(session_id, "w", 0.9, "downloading")
    assert desk.record(session_id).started_at == desk.now - 100
    desk.service.alive(session_id, "w", 0.0, "analysing")
    assert desk.record(session_id).started_at == desk.now
    desk.now += 10
    desk.service.alive(session_id, "w", 0.1, "separating")
    assert desk.record(session_id).started_at == desk.now - 10


def test_nobody_but_its_worker_can_change_it(desk: Desk) -> None:
    session_id = desk.working("a")
    before = desk.record(session_id)
    assert not desk.service.alive(session_id, "b", 0.5)
    assert not desk.service.complete(session_id, "b", [], 1.0, "lite")
    assert not desk.service.fail(session_id, "b", "No.")
    assert not desk.service.give_back(session_id, "b")
    assert desk.record(session_id) == before


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "cleanup", "give_back"])
def test_after_the_end_nothing_changes_any_more(desk: Desk, end: str) -> None:
    session_id = desk.working()
    if end == "complete":
        assert desk.service.complete(session_id, "w", desk.outputs(session_id), 180.0, "lite")
    elif end == "fail":
        assert desk.service.fail(session_id, "w", "No.")
    elif end == "give_back":
        assert desk.service.give_back(session_id, "w")
    else:
        getattr(desk.service, end)(session_id)
    before = desk.jobs.get(session_id)
    assert not desk.service.alive(session_id, "w", 0.5)
    assert not desk.service.complete(session_id, "w", [], 1.0, "other")
    assert not desk.service.fail(session_id, "w", "Yes.")
    assert not desk.service.give_back(session_id, "w")
    assert desk.jobs.get(session_id) == before


def test_a_completed_session_has_its_files_and_seven_days(desk: Desk) -> None:
    session_id = desk.working()
    desk.now += MINUTE
    outputs = desk.outputs(session_id)
    assert desk.service.complete(session_id, "w", outputs, 180.0, "lite", ["quiet"])
    record = desk.record(session_id)
    assert (record.state, record.progress, record.outputs) == (State.COMPLETED, 1.0, tuple(outputs))
    assert (record.duration_s, record.model_used, record.warnings) == (180.0, "lite", ("quiet",))
    assert (record.finished_at, record.expires_at) == (desk.now, desk.now + 7 * 86400)
    assert (record.worker, record.lease_until, record.stage) == (None, None, None)


def test_a_song_that_turns_out_too_long_fails(desk: Desk) -> None:
    session_id = desk.working()
    assert desk.service.alive(session_id, "w", duration_s=240 * MINUTE)
    assert not desk.service.alive(session_id, "w", duration_s=241 * MINUTE)
    record = desk.record(session_id)
    assert record.state == State.FAILED
    assert record.error_message == "The song has 241 minutes, and at most 240 are taken. Cut it in parts."


def test_what_is_given_back_waits_again_in_its_place_and_did_not_count(desk: Desk) -> None:
    first = desk.waiting()
    desk.now += 1
    desk.waiting()
    for _ in range(10):
        session = desk.service.take("w")
        assert session is not None
        assert (session.id, session.attempts) == (first, 1)
        desk.service.alive(first, "w", 0.5, "separating")
        assert desk.service.give_back(first, "w")
    record = desk.record(first)
    assert (record.state, record.attempts, record.progress, record.stage) == (State.PENDING, 0, 0.0, None)
    assert desk.told.dispatched[-1] == record


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_an_end_is_told_once_whether_or_not_somebody_wants_a_letter(desk: Desk, end: str) -> None:
    for choices in (NOTIFY, Choices()):
        session_id = desk.working(choices=choices)
        for worker in ("w", "w", "other"):
            if end == "complete":
                desk.service.complete(session_id, worker, [], 1.0, "lite")
            else:
                desk.service.fail(session_id, worker, "No.")
    assert [told.choices for told in desk.told.notified] == [NOTIFY, Choices()]


# Upkeep


def test_a_living_worker_keeps_its_session(desk: Desk) -> None:
    session_id = desk.working()
    for _ in range(10):
        desk.now += 14.9
        assert desk.service.recover() == 0
        assert desk.service.alive(session_id, "w")


def test_the_session_of_a_dead_worker_is_taken_up_by_another(desk: Desk) -> None:
    session_id = desk.working("dead")
    desk.service.alive(session_id, "dead", 0.5, "separating")
    desk.now += 15
    assert (desk.service.recover(), desk.service.recover()) == (1, 0)
    assert desk.told.dispatched[-1] == desk.record(session_id)
    session = desk.service.take("next")
    assert session is not None
    assert (session.id, session.attempts, session.progress) == (session_id, 2, 0.0)
    assert not desk.service.alive(session_id, "dead")  # should it only have slept
    assert not desk.service.complete(session_id, "dead", [], 1.0, "lite")
    assert desk.service.alive(session_id, "next")


def test_a_song_that_kills_three_workers_fails_and_says_so(desk: Desk) -> None:
    session_id = desk.waiting(NOTIFY)
    for attempt in (1, 2, 3):
        session = desk.service.take("w")
        assert session is not None
        assert session.attempts == attempt
        desk.now += 15
        assert desk.service.recover() == 1
    record = desk.record(session_id)
    assert record.state == State.FAILED
    assert record.error_message == (
        "Separating this song made the program stop three times. "
        "Try another model, or convert the song to WAV or MP3 first."
    )
    assert desk.told.notified == [record]
    assert desk.service.recover() == 0
    assert desk.service.start(session_id).attempts == 0  # the user may insist


def test_a_worker_known_to_be_gone_loses_its_session_at_once(desk: Desk) -> None:
    session_id = desk.working("dead")
    assert not desk.service.lost(session_id, "another")
    assert desk.service.lost(session_id, "dead")
    assert desk.told.dispatched[-1] == desk.record(session_id)
    assert not desk.service.lost(session_id, "dead")  # told twice
    assert desk.service.begin(session_id, "next")
    assert not desk.service.lost(session_id, "dead")  # told late
    assert desk.state(session_id) == State.IN_PROGRESS


def test_a_worker_lost_three_times_ends_the_session(desk: Desk) -> None:
    session_id = desk.waiting(NOTIFY)
    for attempt in ("one", "two", "three"):
        assert desk.service.begin(session_id, attempt)
        desk.outputs(session_id)
        assert desk.service.lost(session_id, attempt)
    assert (desk.state(session_id), desk.told.notified) == (State.FAILED, [desk.record(session_id)])
    assert {key.split("/")[0] for key in desk.objects.files} == {"inputs"}


def test_what_nobody_will_begin_is_dispatched_anew_and_fails_in_the_end(desk: Desk) -> None:
    session_id = desk.waiting(NOTIFY)
    first = desk.record(session_id).version
    assert desk.service.begin(session_id, "w")
    assert not desk.service.refused(session_id, first, "No.")  # it has begun
    assert desk.service.give_back(session_id, "w")
    assert not desk.service.refused(session_id, first, "No.")  # that was the time before
    for dispatched in (3, 4):
        last = desk.record(session_id).version
        assert desk.service.refused(session_id, last, "No.")
        assert not desk.service.refused(session_id, last, "No.")  # told twice
        assert (desk.state(session_id), len(desk.told.dispatched)) == (State.PENDING, dispatched)
    assert desk.service.refused(session_id, desk.record(session_id).version, "No.")
    record = desk.record(session_id)
    assert (record.state, record.error_message, desk.told.notified) == (State.FAILED, "No.", [record])


def test_what_waits_unchanged_for_long_is_dispatched_anew(desk: Desk) -> None:
    waiting, working = desk.waiting(), desk.working()
    told = len(desk.told.dispatched)
    desk.now += 59
    assert desk.service.remind(60) == 0
    desk.now += 1
    assert (desk.service.remind(60), desk.service.remind(60)) == (1, 0)
    assert desk.told.dispatched[told:] == [desk.record(waiting)]
    assert desk.state(working) == State.IN_PROGRESS


def test_what_failed_or_was_cancelled_keeps_no_half_of_its_stems(desk: Desk) -> None:
    failed, cancelled, waiting = (desk.waiting() for _ in range(3))
    for session_id in (failed, cancelled):
        for _ in range(desk.service.limits.max_attempts if session_id == failed else 1):
            assert desk.service.begin(session_id, "killed")
            desk.outputs(session_id)
            desk.now += 15
            assert desk.service.recover() == 1
    desk.service.cancel(cancelled)
    assert (desk.state(failed), desk.state(cancelled)) == (State.FAILED, State.CANCELLED)
    assert {key.split("/")[0] for key in desk.objects.files} == {"inputs"}
    desk.service.begin(waiting, "w")
    desk.outputs(waiting)
    assert not desk.service.clear_outputs(waiting)
    assert len(desk.objects.files) == 3 + 6


def test_a_worker_that_wakes_in_the_moment_of_recovery_keeps_its_session(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = desk.working()
    desk.now += 15
    lapsed = desk.jobs.lapsed(desk.now)
    assert desk.service.alive(session_id, "w")
    monkeypatch.setattr(desk.jobs, "lapsed", lambda now: lapsed)
    assert desk.service.recover() == 0
    assert desk.state(session_id) == State.IN_PROGRESS


def test_uploads_never_started_go_after_a_day_results_after_seven(desk: Desk) -> None:
    day = 86400
    upload, done = desk.brought(), desk.completed()
    failed = desk.working()
    desk.service.fail(failed, "w", "No.")
    desk.now += day - 1
    assert desk.service.sweep() == (0, 0)
    desk.now += 1
    assert desk.service.sweep() == (1, 0)
    assert upload not in desk.jobs.records
    desk.now += 6 * day - 1
    assert desk.service.sweep() == (0, 0)
    desk.now += 1
    assert desk.service.sweep() == (2, 0)
    assert (desk.jobs.records, desk.objects.files, done in desk.jobs.records) == ({}, {}, False)


def test_what_is_worked_on_does_not_expire() -> None:
    desk = Desk(results_s=1, upload_s=2)
    session_id = desk.working()
    for _ in range(5):
        desk.now += 1.5
        assert desk.service.alive(session_id, "w")
        assert desk.service.sweep() == (0, 0)


def test_many_expire_at_once(desk: Desk) -> None:
    for _ in range(250):
        desk.brought()
    desk.now += 86400
    assert desk.service.sweep() == (250, 0)
    assert desk.objects.files == {}


def test_files_without_a_session_are_swept_and_others_files_are_not(desk: Desk) -> None:
    kept, gone = desk.completed(), desk.completed()
    desk.jobs.delete(gone)
    desk.objects.files[f"mixes/{gone}/mix.wav"] = b"RIFF"
    desk.objects.files["inputs/lost+found/x"] = b"x"  # no name of ours
    assert desk.service.sweep() == (0, 8)
    assert {key.split("/")[1] for key in desk.objects.files} == {kept, "lost+found"}
    assert desk.service.sweep() == (0, 0)


def test_states_follow_each_other_only_as_the_table_says(desk: Desk) -> None:
    record = desk.record(desk.completed())
    for state in State:
        with pytest.raises(ValueError, match="can't go from COMPLETED"):
            record.to(state, 0.0)
    pending = replace(record, state=State.PENDING).to(State.IN_PROGRESS, 5.0, worker="w")
    assert (pending.state, pending.updated_at, pending.worker) == (State.IN_PROGRESS, 5.0, "w")
