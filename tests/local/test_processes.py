"""The supervisor keeps the number of workers constant, and stops all workers at the end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import WriteWave
from tests.local.workspace import Workspace, wait

from unbraid.jobs.session import State
from unbraid.local import processes
from unbraid.local.processes import Supervisor


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import the package."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))


def test_replaces_a_dead_worker_and_stops_all_at_the_end(tmp_path: Path, write_wave: WriteWave) -> None:
    workspace = Workspace(tmp_path, workers=2)
    workers = Supervisor(workspace.settings)
    workers.start()
    try:
        first, second = workers.pids()
        os.kill(first, signal.SIGKILL)
        replaced = wait(lambda: pids if len(pids := set(workers.pids()) - {first}) == 2 else None)
        assert second in replaced
        session_id = workspace.add_song(write_wave(tmp_path / "song.wav", 40.0))
        workspace.wait_for(session_id, State.IN_PROGRESS)
    finally:
        workers.stop()
    assert workers.pids() == []
    session = workspace.wait_for(session_id, State.PENDING)
    assert session.attempts == 0
    workspace.wait_until_only("song.wav")


def test_restarts_failing_workers_with_increasing_delays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(processes, "BACKOFF_S", (0.1, 0.3))
    workers = Supervisor(Workspace(tmp_path, workers=1).settings)
    with caplog.at_level(logging.WARNING):
        workers.start()
        wait(lambda: len(caplog.records) >= 4)
        workers.stop()
    delays = [record.getMessage().rpartition(" in ")[2] for record in caplog.records]
    assert delays[:4] == ["0.1 s", "0.2 s", "0.3 s", "0.3 s"]


def test_zero_workers_are_allowed(tmp_path: Path) -> None:
    workers = Supervisor(Workspace(tmp_path, workers=0).settings)
    workers.start()
    time.sleep(0.3)
    assert workers.pids() == []
    workers.stop()
