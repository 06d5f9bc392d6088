"""Many songs in one command: the next is computed while the last is written; one after the other is seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteWave

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main
from unbraid.separation.pipeline import Pipeline

PATIENCE_S = 30.0  # after which a test fails: what it waits for doesn't come


class Rendezvous:
    """Holds up the encoding of the first song until the network is at work on the second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writing, self.computing = threading.Event(), threading.Event()
        write, compute, songs = Encoder.write, Pipeline._compute, count(1)

        def held_up(encoder: Encoder, block: Any) -> None:
            if encoder.path.suffix == ".flac":  # not the float WAVs that the demucs command keeps in between
                self.writing.set()
                assert self.computing.wait(PATIENCE_S)
                self.met()
            write(encoder, block)

        def heard(pipeline: Pipeline, task: Any, writer: Any) -> None:
            if next(songs) == 2:
                assert self.writing.wait(PATIENCE_S)
                self.computing.set()
            compute(pipeline, task, writer)

        monkeypatch.setattr(Encoder, "write", held_up)
        monkeypatch.setattr(Pipeline, "_compute", heard)

    def met(self) -> None:
        """Called when both are at it."""


@pytest.fixture
def songs(write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of two songs in the current folder."""
    monkeypatch.chdir(tmp_path)
    return [write_wave(Path(f"{number}.wav"), seconds=0.5 + number).name for number in range(2)]


@pytest.mark.parametrize(("command", "model"), [("separate", "-m"), ("demucs", "-n")])
def test_a_song_is_computed_while_the_one_before_is_being_written(
    command: str, model: str, songs: list[str], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Rendezvous(monkeypatch)
    flac = ["--format", "flac"] if command == "separate" else ["--flac"]
    assert main([command, model, str(model_folder), *flac, *songs]) == 0
    assert len(list(Path("separated").rglob("*.flac"))) == (4 if command == "separate" else 8)


def test_ctrl_c_while_one_is_written_and_one_computed_leaves_nothing_of_both(
    songs: list[str], model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(Rendezvous):
        once = threading.Lock()

        def met(self) -> None:
            if self.once.acquire(blocking=False):
                os.kill(os.getpid(), signal.SIGINT)
            stop = signal.getsignal(signal.SIGINT).__self__  # type: ignore[union-attr]
            assert stop.wait(PATIENCE_S)

    Interrupted(monkeypatch)
    command = ["separate", "--json", "-m", str(model_folder), "--format", "flac"]
    assert main([*command, *songs]) == 128 + signal.SIGINT
    assert not Path("separated").exists()
    output = capsys.readouterr()
    assert output.err.splitlines()[-1] == "unbraid: Stopped. Unfinished stems were removed."
    assert [json.loads(line)["status"] for line in output.out.splitlines()] == ["cancelled", "cancelled"]


# The kernel's own account of a child's peak begins with what its parent held.
PEAK = """
import sys; from unbraid.cli.main import main
assert main(sys.argv[1:]) == 0
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def peak_mb(*songs: Path) -> float:
    """Peak memory of a process that runs the command with the model that comes with it."""
    command = ["separate", "-q", "-m", "lite", "-o", str(songs[0].parent / "out"), *map(str, songs)]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], stdout=subprocess.PIPE, check=True)
    return int(done.stdout) / 1e3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_many_songs_take_hardly_more_memory_than_one(write_wave: WriteWave, tmp_path: Path) -> None:
    peak_mb(write_wave(tmp_path / "short.wav", seconds=1))  # what has to be done once on a machine
    # Several segments, some of which are computed at once.
    song = write_wave(tmp_path / "song.wav", seconds=20)
    assert peak_mb(song, song, song) < peak_mb(song) + 40


def test_messages_and_json_keep_the_order_of_the_songs(
    songs: list[str], model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [songs[1], "missing.wav", songs[0], songs[1]]
    assert main(["separate", "--json", "-m", str(model_folder), *given]) == 1
    output = capsys.readouterr()
    said = [line for line in output.err.splitlines() if "% " not in line and "started" not in line]
    assert [line.split(" (")[0] for line in said] == [
        "separated/1: vocals and no_vocals",
        "unbraid: missing.wav: doesn't exist. Check the name and the folder.",
        "separated/0: vocals and no_vocals",
        "separated/1",
    ]
    assert said[-1].startswith("separated/1 (2): vocals and no_vocals (")
    started = [line for line in output.err.splitlines() if "started" in line]
    assert started == [f"{given[number]}: started, song {number + 1} of 4" for number in (0, 2, 3)]
    assert [json.loads(line)["input"] for line in output.out.splitlines()] == given
