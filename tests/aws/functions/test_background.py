"""Functions that nobody waits for: of ended invocations, and of the clock."""

from __future__ import annotations

import io

import pytest
from tests.aws.functions import events
from tests.aws.functions.conftest import run
from tests.jobs.memory import Workspace

from unbraid.aws.dispatches import Dispatch
from unbraid.aws.functions.upkeep import REMIND_S
from unbraid.jobs.session import State


def started(workspace: Workspace) -> tuple[str, str]:
    """A session that waits, and the name of its dispatch."""
    session_id = workspace.waiting()
    return session_id, str(Dispatch.of(workspace.outbox.dispatched[-1]))


def test_a_worker_that_died_is_replaced_at_once(workspace: Workspace) -> None:
    session_id, dispatch = started(workspace)
    workspace.leases.begin(session_id, dispatch)
    run("on_invocation_end", events.notice("Failed", dispatch, "The model container died."))
    assert workspace.state(session_id) == State.PENDING
    assert str(Dispatch.of(workspace.outbox.dispatched[-1])) != dispatch
    # Late, and once more: that attempt is over.
    run("on_invocation_end", events.notice("Failed", dispatch))
    assert workspace.state(session_id) == State.PENDING
    assert len(workspace.outbox.dispatched) == 2


def test_a_song_that_kills_every_worker_fails(workspace: Workspace) -> None:
    session_id, _ = started(workspace)
    for _ in range(3):
        dispatch = str(Dispatch.of(workspace.outbox.dispatched[-1]))
        workspace.leases.begin(session_id, dispatch)
        run("on_invocation_end", events.notice("Failed", dispatch, "ModelError"))
    assert workspace.state(session_id) == State.FAILED
    assert "three times" in (workspace.record(session_id).error_message or "")


def test_what_nobody_began_is_dispatched_anew_and_fails_at_last(
    workspace: Workspace, log: io.StringIO
) -> None:
    session_id, _ = started(workspace)
    for state in (State.PENDING, State.PENDING, State.FAILED):
        dispatch = str(Dispatch.of(workspace.outbox.dispatched[-1]))
        for _ in range(2):  # it may come twice
            run("on_invocation_end", events.notice("Failed", dispatch, "Request TTL expired"))
        assert workspace.state(session_id) == state
    assert "Try again" in (workspace.record(session_id).error_message or "")
    assert len(workspace.outbox.dispatched) == 3
    assert "Request TTL expired" in log.getvalue()
    assert session_id not in log.getvalue()


def test_another_attempt_is_left_alone(workspace: Workspace) -> None:
    session_id, dispatch = started(workspace)
    workspace.leases.begin(session_id, "another")
    for status in ("Failed", "Completed"):
        run("on_invocation_end", events.notice(status, dispatch))
        run("on_invocation_end", events.notice(status, f"{session_id}.99"))
        run("on_invocation_end", events.notice(status, f"{'x' * 32}.1"))
    assert workspace.state(session_id) == State.IN_PROGRESS


def test_after_success_there_is_nothing_to_do_unless_the_end_was_not_written_down(
    workspace: Workspace,
) -> None:
    session_id, dispatch = started(workspace)
    workspace.leases.begin(session_id, dispatch)
    workspace.leases.complete(session_id, dispatch, workspace.outputs(session_id), 180.0, "lite")
    run("on_invocation_end", events.notice("Completed", dispatch))
    assert workspace.state(session_id) == State.COMPLETED
    other, dispatch = started(workspace)
    workspace.leases.begin(other, dispatch)
    run("on_invocation_end", events.notice("Completed", dispatch))
    assert workspace.state(other) == State.PENDING


def test_success_of_one_that_waits_again_says_nothing(workspace: Workspace) -> None:
    session_id, dispatch = started(workspace)
    run("on_invocation_end", events.notice("Completed", dispatch))
    assert workspace.state(session_id) == State.PENDING


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
    assert "isn't about a song" in log.getvalue()


def test_what_the_store_refuses_is_tried_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_session_id: str) -> None:
        raise OSError("away")

    _, dispatch = started(workspace)
    monkeypatch.setattr(workspace.store, "get", away)
    with pytest.raises(OSError, match="away"):
        run("on_invocation_end", events.notice("Failed", dispatch))


def test_every_minute_what_is_stuck_goes_on(workspace: Workspace) -> None:
    lapsed, waiting = workspace.working(), workspace.waiting()
    workspace.now += 60
    run("upkeep", {"task": "recover"})
    assert workspace.state(lapsed) == State.PENDING
    assert [session.id for session in workspace.outbox.dispatched].count(waiting) == 1
    workspace.now += REMIND_S
    run("upkeep", {"task": "recover"})
    assert [session.id for session in workspace.outbox.dispatched].count(waiting) == 2


def test_every_hour_what_has_expired_goes(workspace: Workspace) -> None:
    session_id = workspace.completed()
    run("upkeep", {"task": "sweep"})
    assert session_id in workspace.store.records
    workspace.now += workspace.service.limits.results_s + 1
    run("upkeep", {"task": "sweep"})
    assert (workspace.store.records, workspace.objects.files) == ({}, {})


def test_a_task_that_does_not_exist_is_a_fault() -> None:
    with pytest.raises(ValueError, match="unknown task"):
        run("upkeep", {"task": "x"})
