"""Functions that nobody waits for: of ended invocations, and of the clock."""

from __future__ import annotations

import io

import pytest
from tests.aws.functions import events
from tests.aws.functions.conftest import run
from tests.jobs.memory import Desk

from unbraid.aws.dispatches import Dispatch
from unbraid.aws.functions.upkeep import REMIND_S
from unbraid.jobs.session import State


def started(desk: Desk) -> tuple[str, str]:
    """A session that waits, and the name of its dispatch."""
    session_id = desk.waiting()
    return session_id, str(Dispatch.of(desk.told.dispatched[-1]))


def test_a_worker_that_died_is_replaced_at_once(desk: Desk) -> None:
    session_id, dispatch = started(desk)
    desk.service.begin(session_id, dispatch)
    run("on_invocation_end", events.notice("Failed", dispatch, "The model container died."))
    assert desk.state(session_id) == State.PENDING
    assert str(Dispatch.of(desk.told.dispatched[-1])) != dispatch
    # Late, and once more: that attempt is over.
    run("on_invocation_end", events.notice("Failed", dispatch))
    assert desk.state(session_id) == State.PENDING
    assert len(desk.told.dispatched) == 2


def test_a_song_that_kills_every_worker_fails(desk: Desk) -> None:
    session_id, _ = started(desk)
    for _ in range(3):
        dispatch = str(Dispatch.of(desk.told.dispatched[-1]))
        desk.service.begin(session_id, dispatch)
        run("on_invocation_end", events.notice("Failed", dispatch, "ModelError"))
    assert desk.state(session_id) == State.FAILED
    assert "three times" in (desk.record(session_id).error_message or "")


def test_what_nobody_began_is_dispatched_anew_and_fails_at_last(desk: Desk, log: io.StringIO) -> None:
    session_id, _ = started(desk)
    for state in (State.PENDING, State.PENDING, State.FAILED):
        dispatch = str(Dispatch.of(desk.told.dispatched[-1]))
        for _ in range(2):  # it may come twice
            run("on_invocation_end", events.notice("Failed", dispatch, "Request TTL expired"))
        assert desk.state(session_id) == state
    assert "Try again" in (desk.record(session_id).error_message or "")
    assert len(desk.told.dispatched) == 3
    assert "Request TTL expired" in log.getvalue()
    assert session_id not in log.getvalue()


def test_another_attempt_is_left_alone(desk: Desk) -> None:
    session_id, dispatch = started(desk)
    desk.service.begin(session_id, "another")
    for status in ("Failed", "Completed"):
        run("on_invocation_end", events.notice(status, dispatch))
        run("on_invocation_end", events.notice(status, f"{session_id}.99"))
        run("on_invocation_end", events.notice(status, f"{'x' * 32}.1"))
    assert desk.state(session_id) == State.IN_PROGRESS


def test_after_success_there_is_nothing_to_do_unless_the_end_was_not_written_down(desk: Desk) -> None:
    session_id, dispatch = started(desk)
    desk.service.begin(session_id, dispatch)
    desk.service.complete(session_id, dispatch, desk.outputs(session_id), 180.0, "lite")
    run("on_invocation_end", events.notice("Completed", dispatch))
    assert desk.state(session_id) == State.COMPLETED
    other, dispatch = started(desk)
    desk.service.begin(other, dispatch)
    run("on_invocation_end", events.notice("Completed", dispatch))
    assert desk.state(other) == State.PENDING


def test_success_of_one_that_waits_again_says_nothing(desk: Desk) -> None:
    session_id, dispatch = started(desk)
    run("on_invocation_end", events.notice("Completed", dispatch))
    assert desk.state(session_id) == State.PENDING


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        '{"inferenceId": 7, "invocationStatus": "Failed"}',
        '{"inferenceId": "x.1"}',
    ],
)
def test_what_is_no_notice_is_written_down_and_not_tried_again(message: str, log: io.StringIO) -> None:
    run("on_invocation_end", events.told(message))
    assert "isn't of a song" in log.getvalue()


def test_what_the_store_refuses_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_session_id: str) -> None:
        raise OSError("away")

    _, dispatch = started(desk)
    monkeypatch.setattr(desk.jobs, "get", away)
    with pytest.raises(OSError, match="away"):
        run("on_invocation_end", events.notice("Failed", dispatch))


def test_every_minute_what_is_stuck_goes_on(desk: Desk) -> None:
    lapsed, waiting = desk.working(), desk.waiting()
    desk.now += 60
    run("upkeep", {"task": "recover"})
    assert desk.state(lapsed) == State.PENDING
    assert [session.id for session in desk.told.dispatched].count(waiting) == 1
    desk.now += REMIND_S
    run("upkeep", {"task": "recover"})
    assert [session.id for session in desk.told.dispatched].count(waiting) == 2


def test_every_hour_what_has_expired_goes(desk: Desk) -> None:
    session_id = desk.completed()
    run("upkeep", {"task": "sweep"})
    assert session_id in desk.jobs.records
    desk.now += desk.service.limits.results_s + 1
    run("upkeep", {"task": "sweep"})
    assert (desk.jobs.records, desk.objects.files) == ({}, {})


def test_a_task_that_does_not_exist_is_a_fault() -> None:
    with pytest.raises(ValueError, match="no task"):
        run("upkeep", {"task": "x"})
