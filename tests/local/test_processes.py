"""There are always as many workers as there should be, and none after the end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import WriteWave
from tests.local.house import House, wait

from unbraid.jobs.session import State
from unbraid.local import processes
from unbraid.local.processes import Supervisor


@pytest.fixture(autouse=True)
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where workers find the package."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))


def test_a_worker_that_dies_is_replaced_and_all_leave_at_the_end(
    tmp_path: Path, write_wave: WriteWave
) -> None:
    house = House(tmp_path, workers=2)
    workers = Supervisor(house.settings)
    workers.start()
    try:
        first, second = workers.pids()
        os.kill(first, signal.SIGKILL)
        replaced = wait(lambda: pids if len(pids := set(workers.pids()) - {first}) == 2 else None)
        assert second in replaced
        session_id = house.bring(write_wave(tmp_path / "song.wav", 40.0))
        house.until(session_id, State.IN_PROGRESS)
    finally:
        workers.stop()
    assert workers.pids() == []
    session = house.until(session_id, State.PENDING)
    assert session.attempts == 0
    house.until_left("song.wav")


def test_workers_that_die_at_once_are_started_ever_more_slowly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(processes, "BACKOFF_S", (0.1, 0.3))
    workers = Supervisor(House(tmp_path, workers=1).settings)
    with caplog.at_level(logging.WARNING):
        workers.start()
        wait(lambda: len(caplog.records) >= 4)
        workers.stop()
    told = [record.getMessage().rpartition(" in ")[2] for record in caplog.records]
    assert told[:4] == ["0.1 s", "0.2 s", "0.3 s", "0.3 s"]


def test_none_at_all_is_allowed(tmp_path: Path) -> None:
    workers = Supervisor(House(tmp_path, workers=0).settings)
    workers.start()
    time.sleep(0.3)
    assert workers.pids() == []
    workers.stop()
