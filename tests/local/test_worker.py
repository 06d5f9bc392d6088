"""Workers separate pending sessions; another worker continues the session of a worker that ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import WriteWave
from tests.local.workspace import Workspace, wait

from unbraid.jobs.session import State


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory, write_wave: WriteWave) -> Path:
    """A song that takes seconds to separate: longer than two heartbeats on any processor."""
    return write_wave(tmp_path_factory.mktemp("long") / "song.wav", 160.0)


@pytest.fixture
def started(workspace: Workspace) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers in this list are killed after the test."""
    workers: list[subprocess.Popen[bytes]] = []
    yield workers
    for worker in workers:
        worker.kill()
        worker.wait()


def test_workers_separate_pending_songs_and_stop_on_sigterm(
    workspace: Workspace, tmp_path: Path, write_wave: WriteWave
) -> None:
    ids = [workspace.add_song(write_wave(tmp_path / f"{name}.wav", 1.0)) for name in "abcd"]
    workers = [workspace.start_worker(), workspace.start_worker()]
    sessions = [workspace.wait_for(session_id, State.COMPLETED) for session_id in ids]
    assert [session.attempts for session in sessions] == [1, 1, 1, 1]  # no session was taken twice
    for session in sessions:
        for output in session.outputs:
            assert workspace.sessions.objects.size(output.key) == output.size
    for worker in workers:
        worker.terminate()
    assert [worker.wait(30) for worker in workers] == [0, 0]
    assert list(workspace.scratch.iterdir()) == []


def test_another_worker_continues_the_job_of_a_killed_one(
    workspace: Workspace, tmp_path: Path, write_wave: WriteWave, started: list[subprocess.Popen[bytes]]
) -> None:
    session_id = workspace.add_song(write_wave(tmp_path / "song.wav", 60.0))
    started.append(workspace.start_worker())
    workspace.wait_for(session_id, State.IN_PROGRESS, with_progress=True)
    started[0].kill()
    started[0].wait()
    assert workspace.recover() == 1
    assert workspace.service.status(session_id).session.state == State.PENDING
    started.append(workspace.start_worker())
    session = workspace.wait_for(session_id, State.COMPLETED)
    assert (session.attempts, len(session.outputs)) == (2, 2)
    # No files of the killed worker remain: only the song, and the audio, the preview and the waveform of each stem.
    wait(lambda: len(workspace.files()) == 1 + 2 * 3)


def test_a_job_that_kills_its_worker_too_often_fails_with_the_reason(
    tmp_path: Path, song: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    workspace = Workspace(tmp_path, max_attempts=1)
    session_id = workspace.add_song(song)
    started.append(workspace.start_worker())
    workspace.wait_for(session_id, State.IN_PROGRESS)
    started[0].kill()
    started[0].wait()
    assert workspace.recover() == 1
    session = workspace.wait_for(session_id, State.FAILED)
    assert session.attempts == 1
    assert "made the program stop" in (session.error_message or "")


@pytest.mark.parametrize(("number", "with_progress"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_worker_requeues_its_job_on_a_signal(
    workspace: Workspace,
    song: Path,
    started: list[subprocess.Popen[bytes]],
    number: signal.Signals,
    with_progress: bool,
) -> None:
    """Send the signal during the song, or while the worker is still starting."""
    session_id = workspace.add_song(song)
    started.append(workspace.start_worker())
    workspace.wait_for(session_id, State.IN_PROGRESS, with_progress)
    started[0].send_signal(number)
    assert workspace.wait_for(session_id, State.PENDING).attempts == 0  # this attempt doesn't count
    assert started[0].wait(30) == 0
    workspace.wait_until_only("song.wav")


def test_a_draining_worker_finishes_its_song_and_takes_no_other(
    tmp_path: Path, write_wave: WriteWave, started: list[subprocess.Popen[bytes]]
) -> None:
    workspace = Workspace(tmp_path, drain_s=600)
    song = write_wave(tmp_path / "song.wav", 20.0)
    first, second = workspace.add_song(song), workspace.add_song(song)
    started.append(workspace.start_worker())
    workspace.wait_for(first, State.IN_PROGRESS)
    started[0].terminate()
    assert started[0].wait(120) == 0
    states = [workspace.service.status(session_id).session.state for session_id in (first, second)]
    assert states == [State.COMPLETED, State.PENDING]


def test_the_second_signal_ends_the_draining(
    tmp_path: Path, song: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    workspace = Workspace(tmp_path, drain_s=600)
    session_id = workspace.add_song(song)
    started.append(workspace.start_worker())
    workspace.wait_for(session_id, State.IN_PROGRESS, with_progress=True)
    started[0].terminate()
    until = time.monotonic() + 60
    # Python merges signals that arrive before its handler runs, so a second one may be lost while a segment computes.
    while workspace.service.status(session_id).session.state != State.PENDING and time.monotonic() < until:
        started[0].terminate()
        time.sleep(0.2)
    session = workspace.service.status(session_id).session
    assert (session.state, session.attempts) == (State.PENDING, 0)
    assert started[0].wait(30) == 0


def test_a_worker_without_its_parent_requeues_its_job_and_exits(workspace: Workspace, song: Path) -> None:
    session_id = workspace.add_song(song)
    server = (
        "import os, subprocess, sys, time\n"
        "worker = subprocess.Popen([*sys.argv[1:], '--parent', str(os.getpid())], stdout=subprocess.DEVNULL)\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", server, *workspace.command()]
    with subprocess.Popen(
        command, env={**os.environ, **workspace.environment()}, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        workspace.wait_for(session_id, State.IN_PROGRESS)
        parent.kill()
    workspace.wait_for(session_id, State.PENDING)
    wait(lambda: not _is_running(pid))
    workspace.wait_until_only("song.wav")


@pytest.mark.parametrize(
    ("own_session", "nice", "expected"), [(True, "", 5), (False, "", 5), (True, "11", 11), (True, "0", 0)]
)
def test_a_worker_lowers_only_its_own_priority(
    workspace: Workspace,
    started: list[subprocess.Popen[bytes]],
    own_session: bool,
    nice: str,
    expected: int,
) -> None:
    share = Path("/proc/self/autogroup")  # of the processor, for all processes of a session
    if not share.exists():
        pytest.skip("this system doesn't share the processor between sessions")
    before = share.read_text()
    env = {**os.environ, **workspace.environment(), "UNBRAID_NICE": nice}
    worker = subprocess.Popen(workspace.command(), env=env, start_new_session=own_session)
    started.append(worker)
    wait(lambda: Path(f"/proc/{worker.pid}/oom_score_adj").read_text() == "500\n" or None)  # the last step
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(own + expected, 19)
    if own_session:
        assert Path(f"/proc/{worker.pid}/autogroup").read_text().endswith(f"nice {expected}\n")
    assert share.read_text() == before


def test_a_cancelled_job_stops_and_the_next_starts(
    workspace: Workspace,
    song: Path,
    started: list[subprocess.Popen[bytes]],
    tmp_path: Path,
    write_wave: WriteWave,
) -> None:
    first = workspace.add_song(song)
    second = workspace.add_song(write_wave(tmp_path / "second.wav", 1.0))
    started.append(workspace.start_worker())
    workspace.wait_for(first, State.IN_PROGRESS, with_progress=True)
    workspace.service.cancel(first)
    workspace.wait_for(second, State.COMPLETED)
    assert workspace.wait_for(first, State.CANCELLED).outputs == ()
    assert workspace.sessions.objects.delete(f"outputs/{first}/") == 0


def test_logs_an_error_as_json_without_names_and_ids(
    workspace: Workspace, tmp_path: Path, write_wave: WriteWave
) -> None:
    song = write_wave(tmp_path / "song.wav", 1.0)
    session_id = workspace.add_song(song)
    (workspace.settings.objects / "outputs").write_text("a file in place of the folder")
    command = workspace.command()
    with subprocess.Popen(
        command, env={**os.environ, **workspace.environment()}, stderr=subprocess.PIPE
    ) as worker:
        session = workspace.wait_for(session_id, State.FAILED)
        worker.terminate()
        assert worker.stderr is not None
        log = worker.stderr.read().decode()
    assert session.error_message
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["level"] for line in lines if "traceback" in line]
    assert session_id not in log
    assert song.name not in log


def test_logs_an_unusable_folder_as_json(workspace: Workspace) -> None:
    workspace.scratch.write_text("a file in place of the folder")
    ended = subprocess.run(
        workspace.command(),
        env={**os.environ, **workspace.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "can't be used" in json.loads(line)["message"]


def test_reports_invalid_settings_in_one_line(workspace: Workspace) -> None:
    environment = {
        **os.environ,
        **workspace.environment(),
        "UNBRAID_DATABASE_URL": "mysql://where",
    }
    ended = subprocess.run(
        workspace.command(), env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("unbraid: ")
    assert ended.stderr.count("\n") == 1


def test_names_unknown_models_at_its_start(workspace: Workspace) -> None:
    workspace.scratch.write_text("a file in place of the folder")  # so that it ends
    for options, lines in (([], 2), (["--parent", str(os.getpid())], 1)):
        ended = subprocess.run(
            [*workspace.command(), *options],
            env={**os.environ, **workspace.environment(), "UNBRAID_MODELS": "lite litte"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        first, *others = ended.stderr.splitlines()
        assert first.startswith("unbraid: UNBRAID_MODELS lists litte, which is no model") == (lines == 2)
        assert len(others) == lines - 1


def _is_running(pid: int) -> bool:
    """Whether the process exists and isn't a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
