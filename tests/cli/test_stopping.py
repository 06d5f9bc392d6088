"""Signals and closed pipes: one line, the right exit code, no unfinished files."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import WriteWave

COMMAND = [sys.executable, "-m", "unbraid", "separate"]


def reset_signals() -> None:
    """Handle signals in the child process as in a terminal, even if the tests run under nohup or in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="module")
def long_song(write_wave: WriteWave, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song that takes longer to separate than the signal takes to arrive."""
    return write_wave(tmp_path_factory.mktemp("song") / "long.wav", seconds=400, sample_rate=8000, channels=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_with_its_exit_code_and_leaves_no_files(
    number: signal.Signals, long_song: Path, model_folder: Path, tmp_path: Path
) -> None:
    command = [*COMMAND, str(long_song), str(long_song), "-m", str(model_folder), "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=reset_signals) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("long.wav: started")
        process.send_signal(number)
        rest = process.stderr.read().splitlines()
    assert process.returncode == 128 + number
    assert rest[-1] == "unbraid: Stopped. Unfinished stems were removed."
    assert not any("Traceback" in line for line in rest)
    assert not (tmp_path / "out").exists()


def test_a_closed_standard_error_stops_silently(long_song: Path, model_folder: Path, tmp_path: Path) -> None:
    command = [*COMMAND, str(long_song), "-m", str(model_folder), "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
    assert process.returncode == 128 + signal.SIGPIPE
    assert not (tmp_path / "out").exists()


def test_a_closed_standard_output_stops_the_song_under_way(
    long_song: Path, write_wave: WriteWave, model_folder: Path, tmp_path: Path
) -> None:
    short = write_wave(tmp_path / "short.wav", seconds=0.2)
    songs = [str(short), str(long_song)]
    command = [*COMMAND, "--json", "-q", *songs, "-m", str(model_folder), "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode == 128 + signal.SIGPIPE
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["short"]


def test_a_closed_pipe_prints_no_error() -> None:
    command = (
        f"{sys.executable} -m unbraid models | true; {sys.executable} -m unbraid completion bash | head -1"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
