"""Many songs in one command: songs overlap, messages keep their order."""

from __future__ import annotations

import _thread
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.audio.tagged import encode, id3, tagged_mp3, text
from tests.cli.conftest import Separate, stems_in
from tests.conftest import WriteWave

from unbraid.audio.encode import Encoder
from unbraid.cli.main import main
from unbraid.separation.pipeline import Pipeline

TIMEOUT_S = 30.0


class Rendezvous:
    """Blocks the encoding of the first song until the network computes the second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writing, self.computing = threading.Event(), threading.Event()
        write, stems, songs = Encoder.write, Pipeline._stems, count(1)

        def wait_and_write(encoder: Encoder, block: Any) -> None:
            if encoder.path.suffix == ".flac":  # not the temporary float WAVs of the demucs command
                self.writing.set()
                assert self.computing.wait(TIMEOUT_S)
                self.met()
            write(encoder, block)

        def signal_and_compute(pipeline: Pipeline, task: Any) -> Iterator[Any]:
            if next(songs) == 2:
                assert self.writing.wait(TIMEOUT_S)
                self.computing.set()
            yield from stems(pipeline, task)

        monkeypatch.setattr(Encoder, "write", wait_and_write)
        monkeypatch.setattr(Pipeline, "_stems", signal_and_compute)

    def met(self) -> None:
        """Called while one song is encoded and the other computed."""


@pytest.fixture
def songs(write_wave: WriteWave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of two songs in the current folder."""
    monkeypatch.chdir(tmp_path)
    return [write_wave(Path(f"{number}.wav"), seconds=0.5 + number).name for number in range(2)]


@pytest.mark.parametrize(("command", "model"), [("separate", "-m"), ("demucs", "-n")])
def test_computes_a_song_while_the_previous_one_is_encoded(
    command: str, model: str, songs: list[str], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Rendezvous(monkeypatch)
    flac = ["--format", "flac"] if command == "separate" else ["--flac"]
    assert main([command, model, str(model_folder), *flac, *songs]) == 0
    assert len(list(Path("separated").rglob("*.flac"))) == (4 if command == "separate" else 8)


def test_ctrl_c_removes_both_songs_under_way(
    songs: list[str], model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(Rendezvous):
        once = threading.Lock()

        def met(self) -> None:
            if self.once.acquire(blocking=False):
                # As a signal that arrives just before the main thread begins to wait: it doesn't end the wait.
                _thread.interrupt_main(signal.SIGINT)
            stop = signal.getsignal(signal.SIGINT).__self__  # type: ignore[union-attr]
            assert stop.wait(TIMEOUT_S)

    Interrupted(monkeypatch)
    command = ["separate", "--json", "-m", str(model_folder), "--format", "flac"]
    assert main([*command, *songs]) == 128 + signal.SIGINT
    assert not Path("separated").exists()
    output = capsys.readouterr()
    assert output.err.splitlines()[-1] == "unbraid: Stopped. Unfinished stems were removed."
    assert [json.loads(line)["status"] for line in output.out.splitlines()] == ["cancelled", "cancelled"]


# The process reads its own peak: the kernel's value for child processes includes the memory of the parent.
PEAK = """
import sys; from unbraid.cli.main import main
assert main(sys.argv[1:]) == 0
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def peak_mb(*songs: Path) -> float:
    """Return the peak memory of a process that separates `songs` with the bundled model."""
    command = ["separate", "-q", "-m", "lite", "-o", str(songs[0].parent / "out"), *map(str, songs)]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], stdout=subprocess.PIPE, check=True)
    return int(done.stdout) / 1e3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_many_songs_take_at_most_40_mb_more_than_one(write_wave: WriteWave, tmp_path: Path) -> None:
    peak_mb(write_wave(tmp_path / "short.wav", seconds=1))  # warm up: some work is done once per machine
    # Several segments, some of them computed at the same time.
    song = write_wave(tmp_path / "song.wav", seconds=20)
    assert peak_mb(song, song, song) < peak_mb(song) + 40


def test_messages_and_json_keep_the_order_of_the_songs(
    songs: list[str], model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [songs[1], "missing.wav", songs[0], songs[1]]
    assert main(["separate", "--json", "-m", str(model_folder), *arguments]) == 1
    output = capsys.readouterr()
    messages = [line for line in output.err.splitlines() if "%" not in line and "started" not in line]
    assert [line.split(" (")[0] for line in messages] == [
        "separated/1: vocals and no_vocals",
        "unbraid: missing.wav: doesn't exist. Check the name and the folder.",
        "separated/0: vocals and no_vocals",
        "separated/1",
    ]
    assert messages[-1].startswith("separated/1 (2): vocals and no_vocals (")
    started = [line for line in output.err.splitlines() if "started" in line]
    assert started == [f"{arguments[number]}: started, song {number + 1} of 4" for number in (0, 2, 3)]
    assert [json.loads(line)["input"] for line in output.out.splitlines()] == arguments


def test_tags_of_one_song_never_stop_the_others(separate: Separate, tmp_path: Path) -> None:
    track = id3([("TRCK", text("1" * 5000)), ("TPOS", text("2" * 5000))])
    songs = [tagged_mp3(tmp_path / "hostile.mp3", track), encode(tmp_path / "next.mp3")]
    assert separate(*songs, "-o", "out", "--format", "m4a") == 0
    assert [stems_in(tmp_path / "out" / song.stem) for song in songs] == [["no_vocals.m4a", "vocals.m4a"]] * 2
