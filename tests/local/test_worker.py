"""A worker separates what waits, and however it ends, the job goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import WriteWave
from tests.local.house import House, wait

from unbraid.jobs.session import State


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def song(tmp_path: Path, write_wave: WriteWave) -> Path:
    """Takes seconds, so that things can happen meanwhile."""
    return write_wave(tmp_path / "song.wav", 40.0)


@pytest.fixture
def started(house: House) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers that are gone after the test."""
    workers: list[subprocess.Popen[bytes]] = []
    yield workers
    for worker in workers:
        worker.kill()
        worker.wait()


def test_what_waits_is_separated_and_a_worker_leaves_when_told(
    house: House, tmp_path: Path, write_wave: WriteWave
) -> None:
    ids = [house.bring(write_wave(tmp_path / f"{name}.wav", 1.0)) for name in "abcd"]
    workers = [house.worker(), house.worker()]
    sessions = [house.until(session_id, State.COMPLETED) for session_id in ids]
    assert [session.attempts for session in sessions] == [1, 1, 1, 1]  # nobody did what another had taken
    for session in sessions:
        for output in session.outputs:
            assert house.sessions.objects.size(output.key) == output.size
    for worker in workers:
        worker.terminate()
    assert [worker.wait(30) for worker in workers] == [0, 0]
    assert list(house.scratch.iterdir()) == []


def test_a_job_whose_worker_was_killed_is_taken_up_again(
    house: House, song: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    session_id = house.bring(song)
    started.append(house.worker())
    house.until(session_id, State.IN_PROGRESS, begun=True)
    started[0].kill()
    started[0].wait()
    assert house.recover() == 1
    assert house.service.status(session_id).session.state == State.PENDING
    started.append(house.worker())
    session = house.until(session_id, State.COMPLETED)
    assert (session.attempts, len(session.outputs)) == (2, 2)
    # Nothing stays of the one that was killed: song, and for each stem its sound, its preview and its waveform.
    wait(lambda: len(house.files()) == 1 + 2 * 3)


def test_a_job_that_kills_its_worker_too_often_fails_with_the_reason(
    tmp_path: Path, song: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    house = House(tmp_path, max_attempts=1)
    session_id = house.bring(song)
    started.append(house.worker())
    house.until(session_id, State.IN_PROGRESS)
    started[0].kill()
    started[0].wait()
    assert house.recover() == 1
    session = house.until(session_id, State.FAILED)
    assert session.attempts == 1
    assert "made the program stop" in (session.error_message or "")


@pytest.mark.parametrize(("number", "begun"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_worker_that_is_told_to_leave_gives_its_job_back(
    house: House, song: Path, started: list[subprocess.Popen[bytes]], number: signal.Signals, begun: bool
) -> None:
    """In the middle of the song, and while it is still getting ready."""
    session_id = house.bring(song)
    started.append(house.worker())
    house.until(session_id, State.IN_PROGRESS, begun)
    started[0].send_signal(number)
    assert house.until(session_id, State.PENDING).attempts == 0  # this one doesn't count
    assert started[0].wait(30) == 0
    house.until_left("song.wav")


def test_a_worker_whose_parent_is_gone_gives_its_job_back_and_leaves(house: House, song: Path) -> None:
    session_id = house.bring(song)
    server = (
        "import os, subprocess, sys, time\n"
        "worker = subprocess.Popen([*sys.argv[1:], '--parent', str(os.getpid())], stdout=subprocess.DEVNULL)\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", server, *house.command()]
    with subprocess.Popen(
        command, env={**os.environ, **house.environment()}, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        house.until(session_id, State.IN_PROGRESS)
        parent.kill()
    house.until(session_id, State.PENDING)
    wait(lambda: not _lives(pid))
    house.until_left("song.wav")


def test_a_job_that_is_cancelled_stops_and_the_next_begins(
    house: House, song: Path, started: list[subprocess.Popen[bytes]], tmp_path: Path, write_wave: WriteWave
) -> None:
    first = house.bring(song)
    second = house.bring(write_wave(tmp_path / "second.wav", 1.0))
    started.append(house.worker())
    house.until(first, State.IN_PROGRESS, begun=True)
    house.service.cancel(first)
    house.until(second, State.COMPLETED)
    assert house.until(first, State.CANCELLED).outputs == ()
    assert house.sessions.objects.delete(f"outputs/{first}/") == 0


def test_what_went_wrong_is_a_line_of_json_without_whose_song_it_was(
    house: House, tmp_path: Path, write_wave: WriteWave
) -> None:
    song = write_wave(tmp_path / "song.wav", 1.0)
    session_id = house.bring(song)
    (house.settings.objects / "outputs").write_text("in the way of all stems")
    command = house.command()
    with subprocess.Popen(
        command, env={**os.environ, **house.environment()}, stderr=subprocess.PIPE
    ) as worker:
        session = house.until(session_id, State.FAILED)
        worker.terminate()
        assert worker.stderr is not None
        said = worker.stderr.read().decode()
    assert session.error_message
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["level"] for line in lines if "traceback" in line]
    assert session_id not in said
    assert song.name not in said


def test_a_folder_that_cant_be_worked_in_is_told_in_a_line_of_json(house: House) -> None:
    house.scratch.write_text("in the way")
    ended = subprocess.run(
        house.command(),
        env={**os.environ, **house.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "can't be used" in json.loads(line)["message"]


def test_settings_that_cant_be_used_are_told(house: House) -> None:
    environment = {
        **os.environ,
        **house.environment(),
        "UNBRAID_DATABASE_URL": "mysql://where",
    }
    ended = subprocess.run(
        house.command(), env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("unbraid: ")
    assert ended.stderr.count("\n") == 1


def _lives(pid: int) -> bool:
    """Whether there is such a process, and not only what nobody has asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
