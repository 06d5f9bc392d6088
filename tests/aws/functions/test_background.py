"""The functions `on_invocation_end` and `upkeep`."""

from __future__ import annotations

import io
from contextlib import nullcontext

import pytest
from tests.aws.functions import events
from tests.aws.functions.conftest import invoke
from tests.jobs.memory import Workspace

from unbraid.aws.dispatches import Dispatch
from unbraid.aws.functions.upkeep import REMIND_S
from unbraid.errors import Unavailable
from unbraid.jobs.session import State


def dispatched(workspace: Workspace) -> tuple[str, str]:
    """A pending session and the id of its dispatch."""
    session_id = workspace.waiting()
    return session_id, str(Dispatch.of(workspace.outbox.dispatched[-1]))


def test_requeues_session_of_dead_worker_immediately(workspace: Workspace) -> None:
    session_id, dispatch = dispatched(workspace)
    workspace.leases.begin(session_id, dispatch)
    invoke("on_invocation_end", events.notice("Failed", dispatch, "The model container died."))
    assert workspace.state(session_id) == State.PENDING
    assert str(Dispatch.of(workspace.outbox.dispatched[-1])) != dispatch
    # A late duplicate: that attempt is over.
    invoke("on_invocation_end", events.notice("Failed", dispatch))
    assert workspace.state(session_id) == State.PENDING
    assert len(workspace.outbox.dispatched) == 2


def test_song_fails_after_three_dead_workers(workspace: Workspace) -> None:
    session_id, _ = dispatched(workspace)
    for _ in range(3):
        dispatch = str(Dispatch.of(workspace.outbox.dispatched[-1]))
        workspace.leases.begin(session_id, dispatch)
        invoke("on_invocation_end", events.notice("Failed", dispatch, "ModelError"))
    assert workspace.state(session_id) == State.FAILED
    assert "three times" in (workspace.record(session_id).error_message or "")


def test_redispatches_unstarted_song_then_fails_it(workspace: Workspace, log: io.StringIO) -> None:
    session_id, _ = dispatched(workspace)
    for state in (State.PENDING, State.PENDING, State.FAILED):
        dispatch = str(Dispatch.of(workspace.outbox.dispatched[-1]))
        for _ in range(2):  # SNS may deliver twice
            invoke("on_invocation_end", events.notice("Failed", dispatch, "Request TTL expired"))
        assert workspace.state(session_id) == state
    assert "Try again" in (workspace.record(session_id).error_message or "")
    assert len(workspace.outbox.dispatched) == 3
    assert "Request TTL expired" in log.getvalue()
    assert session_id not in log.getvalue()


def test_ignores_notice_of_another_attempt(workspace: Workspace) -> None:
    session_id, dispatch = dispatched(workspace)
    workspace.leases.begin(session_id, "another")
    for status in ("Failed", "Completed"):
        invoke("on_invocation_end", events.notice(status, dispatch))
        invoke("on_invocation_end", events.notice(status, f"{session_id}.99"))
        invoke("on_invocation_end", events.notice(status, f"{'x' * 32}.1"))
    assert workspace.state(session_id) == State.IN_PROGRESS


def test_success_requeues_only_a_session_whose_end_was_not_saved(
    workspace: Workspace,
) -> None:
    session_id, dispatch = dispatched(workspace)
    workspace.leases.begin(session_id, dispatch)
    workspace.leases.complete(session_id, dispatch, workspace.outputs(session_id), 180.0, "lite")
    invoke("on_invocation_end", events.notice("Completed", dispatch))
    assert workspace.state(session_id) == State.COMPLETED
    other, dispatch = dispatched(workspace)
    workspace.leases.begin(other, dispatch)
    invoke("on_invocation_end", events.notice("Completed", dispatch))
    assert workspace.state(other) == State.PENDING


def test_success_of_a_requeued_session_changes_nothing(workspace: Workspace) -> None:
    session_id, dispatch = dispatched(workspace)
    invoke("on_invocation_end", events.notice("Completed", dispatch))
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
def test_logs_malformed_notice_and_does_not_retry(message: str, log: io.StringIO) -> None:
    invoke("on_invocation_end", events.sns(message))
    assert "isn't about a song" in log.getvalue()


def test_raises_store_errors_for_a_retry(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_session_id: str) -> None:
        raise OSError("away")

    _, dispatch = dispatched(workspace)
    monkeypatch.setattr(workspace.store, "get", away)
    with pytest.raises(OSError, match="away"):
        invoke("on_invocation_end", events.notice("Failed", dispatch))


def test_recover_requeues_expired_leases_and_redispatches_waiting_songs(workspace: Workspace) -> None:
    expired, waiting = workspace.working(), workspace.waiting()
    workspace.now += 60
    invoke("upkeep", {"task": "recover"})
    assert workspace.state(expired) == State.PENDING
    assert [session.id for session in workspace.outbox.dispatched].count(waiting) == 1
    workspace.now += REMIND_S
    invoke("upkeep", {"task": "recover"})
    assert [session.id for session in workspace.outbox.dispatched].count(waiting) == 2


@pytest.mark.parametrize(
    ("error", "alarm"), [(Unavailable("No machine yet."), False), (OSError("AccessDenied"), True)]
)
def test_songs_that_cannot_be_dispatched_wait_and_an_unexpected_cause_raises_the_alarm(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception, alarm: bool
) -> None:
    def refuse(_session: object) -> None:
        raise error

    session_id = workspace.waiting()
    expired = workspace.working()
    monkeypatch.setattr(workspace.outbox, "dispatch", refuse)
    workspace.now += REMIND_S
    with pytest.raises(OSError, match="AccessDenied") if alarm else nullcontext():
        invoke("upkeep", {"task": "recover"})
    assert {workspace.state(one) for one in (session_id, expired)} == {State.PENDING}


def test_sweep_deletes_expired_sessions(workspace: Workspace) -> None:
    session_id = workspace.completed()
    invoke("upkeep", {"task": "sweep"})
    assert session_id in workspace.store.records
    workspace.now += workspace.service.limits.results_s + 1
    invoke("upkeep", {"task": "sweep"})
    assert (workspace.store.records, workspace.objects.files) == ({}, {})


def test_unknown_task_raises() -> None:
    with pytest.raises(ValueError, match="unknown task"):
        invoke("upkeep", {"task": "x"})
