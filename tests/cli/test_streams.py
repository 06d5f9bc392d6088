"""Standard streams that are closed or on a full disk: the work is done, and only a lost result is an error."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import WriteWave

UNBRAID = f"{sys.executable} -m unbraid"
LOST = "unbraid: Standard output can't be written: {}. The result is lost."
Shell = Callable[[str], "subprocess.CompletedProcess[str]"]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
STREAMS = ["{}>&-", pytest.param("{}>/dev/full", marks=needs_dev_full)]


@pytest.fixture
def shell(write_wave: WriteWave, model_folder: Path, tmp_path: Path) -> Shell:
    """Run a shell command beside the songs a.wav and b.wav. `separate` and `demucs` start the commands."""
    for name in ("a", "b"):
        write_wave(tmp_path / f"{name}.wav", seconds=0.3)
    commands = f"""
        separate() {{ {UNBRAID} separate -m {model_folder} "$@"; }}
        demucs() {{ {UNBRAID} demucs -n {model_folder} "$@"; }}
        unbraid() {{ {UNBRAID} "$@"; }}
        """

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", commands + command], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(
    "command", ["separate a.wav b.wav", "separate a.wav b.wav --json", "demucs a.wav b.wav"]
)
def test_songs_are_separated_without_standard_error(
    command: str, stream: str, shell: Shell, tmp_path: Path
) -> None:
    done = shell(f"{command} {stream.format(2)}")
    assert done.returncode == 0
    songs = [json.loads(line)["status"] for line in done.stdout.splitlines()]
    assert songs == (["done", "done"] if "--json" in command else [])
    assert {path.parent.name for path in (tmp_path / "separated").rglob("vocals.wav")} == {"a", "b"}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("command", ["separate -q a.wav", "demucs a.wav 2>/dev/null"])
def test_songs_are_separated_without_standard_output(
    command: str, stream: str, shell: Shell, tmp_path: Path
) -> None:
    done = shell(f"{command} {stream.format(1)}")
    assert (done.returncode, done.stderr) == (0, "")
    assert [*(tmp_path / "separated").rglob("vocals.wav")]


@pytest.mark.parametrize("stream", STREAMS)
def test_json_that_can_not_be_printed_is_an_error_after_all_songs(
    stream: str, shell: Shell, tmp_path: Path
) -> None:
    done = shell(f"separate -q --json a.wav b.wav {stream.format(1)}")
    cause = "it is closed" if "&" in stream else "the disk is full"
    assert (done.returncode, done.stderr.splitlines()) == (1, [LOST.format(cause)])
    assert sorted(path.name for path in (tmp_path / "separated").iterdir()) == ["a", "b"]
    assert shell(f"separate -q --json a.wav b.wav {stream.format(1)} {stream.format(2)}").returncode == 1


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(
    "command",
    [
        "models",
        "models path lite",
        "completion bash",
        "demucs --list-models",
        "evaluate --reference truth --estimate truth",
        "evaluate --reference truth --estimate truth --json",
        "--version",
        "separate --help",
    ],
)
def test_a_result_that_can_not_be_printed_is_one_line(
    command: str, stream: str, shell: Shell, write_wave: WriteWave, tmp_path: Path
) -> None:
    for stem in ("drums", "vocals"):
        write_wave(tmp_path / "truth" / f"{stem}.wav", seconds=2)
    done = shell(f"unbraid {command} {stream.format(1)}")
    cause = "it is closed" if "&" in stream else "the disk is full"
    assert (done.returncode, done.stderr.splitlines()) == (1, [LOST.format(cause)])
    assert shell(f"unbraid {command} {stream.format(2)}").returncode == 0


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("command", "code"), [("separate missing.wav", 1), ("separate", 2)])
def test_errors_keep_their_exit_code_without_standard_error(
    command: str, code: int, stream: str, shell: Shell
) -> None:
    assert shell(f"{command} {stream.format(2)}").returncode == code


@pytest.mark.parametrize(("streams", "other"), [(">&-", "stderr"), ("2>&-", "stdout")])
def test_the_web_app_runs_without_a_standard_stream(streams: str, other: str, tmp_path: Path) -> None:
    command = f"exec {UNBRAID} serve --port 0 --data {tmp_path / 'data'} {streams}"
    with subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"http://127.0.0.1:" in getattr(process, other).readline()
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
