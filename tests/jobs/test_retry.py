"""Whether starting a failed song again can help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs.memory import Workspace

from unbraid.api.answers import status_answer
from unbraid.errors import Fault, InputError, NotAudio, OutOfMemory, OutputError, SettingError
from unbraid.jobs.messages import failure_of
from unbraid.models.sources import DownloadError


def can_retry(workspace: Workspace, session_id: str) -> bool | None:
    return status_answer(workspace.service.status(session_id)).can_retry


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("is empty.", subject="a"), False),
        (NotAudio("has no sound.", subject="a"), False),
        (SettingError("x"), False),
        (OutOfMemory("x"), True),
        (MemoryError(), True),
        (OutputError("x"), True),
        (DownloadError("lite", "no network", [], Path("models")), True),
        (ValueError("a bug"), True),
    ],
)
def test_a_failed_song_says_whether_to_try_again(
    workspace: Workspace, error: Exception, expected: bool
) -> None:
    failure = failure_of(error, "a.mp3", "lite")
    session_id = workspace.working()
    workspace.leases.fail(session_id, "w", failure.message, failure.fault)
    assert can_retry(workspace, session_id) is expected


def test_only_ended_songs_say_whether_to_try_again(workspace: Workspace) -> None:
    session_id = workspace.waiting()
    assert can_retry(workspace, session_id) is None
    workspace.service.cancel(session_id)
    assert can_retry(workspace, session_id) is True
    assert can_retry(workspace, workspace.completed()) is None


def test_a_song_whose_worker_died_can_be_tried_again(workspace: Workspace) -> None:
    session_id = workspace.working()
    for _ in range(3):
        workspace.now += 16
        workspace.sweeper.recover()
        workspace.leases.take("w")
    record = workspace.record(session_id)
    assert (record.error_fault, can_retry(workspace, session_id)) == (Fault.OURS, True)
    workspace.store.save(replace(record, error_fault=None))  # of an older version
    assert can_retry(workspace, session_id) is True
