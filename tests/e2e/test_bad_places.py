"""Missing permissions, full disks, too little memory and killed processes: one message, no unfinished files."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import WriteWave
from tests.folders import everything_in

COMMAND = [sys.executable, "-m", "unbraid", "separate"]
# Root can read and write everywhere unless it drops these capabilities.
WITHOUT_ROOT_RIGHTS = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)

needs_permissions = pytest.mark.skipif(
    bool(WITHOUT_ROOT_RIGHTS)
    and (not shutil.which("setpriv") or subprocess.run([*WITHOUT_ROOT_RIGHTS, "true"]).returncode != 0),
    reason="permissions don't apply to this user",
)
Separate = Callable[..., "tuple[int, list[str]]"]


@pytest.fixture
def separate(model_folder: Path, tmp_path: Path) -> Separate:
    """Run `unbraid separate` as a process in `tmp_path`; return the exit code and the lines of standard error."""

    def run(*arguments: str | Path, limit: tuple[int, int] | None = None) -> tuple[int, list[str]]:
        done = subprocess.run(
            [*WITHOUT_ROOT_RIGHTS, *COMMAND, "-q", "-m", str(model_folder), *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=None if limit is None else lambda: resource.setrlimit(limit[0], (limit[1], limit[1])),
        )
        return done.returncode, done.stderr.splitlines()

    return run


@pytest.fixture
def songs(write_wave: WriteWave, tmp_path: Path) -> tuple[str, str]:
    """Two songs: the stems take 3.5 MB and a few kB."""
    write_wave(tmp_path / "long.wav", seconds=10)
    write_wave(tmp_path / "short.wav", seconds=0.1)
    return "long.wav", "short.wav"


SHORT_DONE = ["short", "short/.unbraid.json", "short/no_vocals.wav", "short/vocals.wav"]


@needs_permissions
def test_song_without_read_permission(separate: Separate, songs: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "long.wav").chmod(0)
    code, (line,) = separate(*songs, "-o", "out")
    assert code == 1
    assert line == "unbraid: long.wav: can't be read: you have no permission. Change its permissions."
    assert everything_in(tmp_path / "out") == SHORT_DONE


@needs_permissions
@pytest.mark.parametrize("out", ["closed", "closed/deeper/still"])
def test_output_folder_without_write_permission(
    separate: Separate, songs: tuple[str, str], tmp_path: Path, out: str
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    code, lines = separate(*songs, "-o", out)
    assert code == 1
    assert lines == [
        f"unbraid: {song}: {out} can't be written: you have no permission. Choose another output folder (-o)."
        for song in songs
    ]
    assert everything_in(closed) == []


@pytest.mark.parametrize(
    ("out", "words"), [("file", "in the way"), ("file/deeper", "in the way"), ("x" * 300, "too long")]
)
def test_output_folder_blocked_by_a_file_or_too_long(
    separate: Separate, songs: tuple[str, str], tmp_path: Path, out: str, words: str
) -> None:
    (tmp_path / "file").write_text("mine")
    code, (line,) = separate(songs[1], "-o", out)
    assert code == 1
    assert line.startswith("unbraid: short.wav: ")
    assert words in line
    assert "choose another output folder (-o)" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_file_in_place_of_the_stem_folder(separate: Separate, songs: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "long").write_text("mine")
    code, (line,) = separate(*songs, "-o", "out")
    assert code == 1
    assert line.startswith("unbraid: long.wav: out/long can't be written: a file is in the way of a folder.")
    assert everything_in(out) == ["long", *SHORT_DONE]


@pytest.mark.parametrize(
    "options",
    [[], ["--clip-mode", "none"], ["--clip-mode", "none", "--format", "flac", "--int24"]],
    ids=" ".join,
)
def test_disk_full_while_writing(
    separate: Separate, songs: tuple[str, str], tiny_disk: Path, options: list[str]
) -> None:
    code, (line,) = separate(*songs, "-o", tiny_disk / "out", *options)
    assert code == 1
    assert line.startswith("unbraid: long.wav: ")
    assert line.startswith(f"unbraid: long.wav: {tiny_disk / 'out'}")
    assert "can't be written: the disk is full" in line
    assert "ree some space" in line
    assert ".unbraid-" not in line
    ending = "flac" if "flac" in options else "wav"
    assert everything_in(tiny_disk / "out") == [name.replace("wav", ending) for name in SHORT_DONE]


def test_disk_full_before_the_start(separate: Separate, songs: tuple[str, str], tiny_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"), (tiny_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    code, (line,) = separate(songs[1], "-o", tiny_disk)
    assert code == 1
    assert "is full" in line
    assert everything_in(tiny_disk) == ["filler"]


def test_limit_on_the_file_size(separate: Separate, songs: tuple[str, str], tmp_path: Path) -> None:
    code, (line,) = separate(*songs, "-o", "out", limit=(resource.RLIMIT_FSIZE, 1 << 20))
    assert code == 1
    assert line.startswith(
        "unbraid: long.wav: out can't be written: the file is too large for the disk. Choose another output folder (-o)"
    )
    assert everything_in(tmp_path / "out") == SHORT_DONE


@pytest.mark.parametrize("megabytes", [250, 330, 380, 410])
def test_too_little_memory_is_one_line(
    separate: Separate, songs: tuple[str, str], tmp_path: Path, megabytes: int
) -> None:
    """Limits from libraries that fail to load to a song that fails to start. What is enough depends on the machine."""
    code, lines = separate(songs[0], "-o", "out", limit=(resource.RLIMIT_AS, megabytes << 20))
    if code == 0:
        pytest.skip("this is enough memory here")
    assert code == 1
    (line,) = lines
    assert "There is not enough memory. Close other programs" in line
    assert not (tmp_path / "out").exists()


def test_unknown_models_and_stems(separate: Separate, songs: tuple[str, str], tmp_path: Path) -> None:
    code, (line,) = separate(*songs, "-m", "no-such-model")
    assert code == 1
    assert "no-such-model" in line
    assert "There is no model" in line
    code, (line,) = separate(*songs, "--stems", "banjo")
    assert code == 2
    assert "no stem 'banjo'" in line
    assert "drums, bass, other, vocals" in line
    assert not (tmp_path / "separated").exists()


def kill_while_writing(model_folder: Path, song: Path, out: Path) -> list[Path]:
    """Kill a run while it writes, and return the files it leaves behind."""
    command = [*COMMAND, "-q", "-m", str(model_folder), str(song), "-o", str(out)]
    with subprocess.Popen(command) as process:
        while not list(out.glob(".unbraid-*/stems.f32")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    return list(out.iterdir())


def test_the_next_run_removes_the_files_of_a_killed_run(
    separate: Separate, model_folder: Path, write_wave: WriteWave, songs: tuple[str, str], tmp_path: Path
) -> None:
    endless = write_wave(tmp_path / "endless.wav", seconds=400, sample_rate=8000, channels=1)
    out = tmp_path / "out"
    (left,) = kill_while_writing(model_folder, endless, out)
    assert left.name.startswith(".unbraid-")
    (out / ".unbraid-mine").mkdir()
    assert separate(songs[1], "-o", "out") == (0, [])
    assert everything_in(out) == [".unbraid-mine", *SHORT_DONE]


def test_a_run_keeps_the_work_folder_of_another_run(
    separate: Separate, model_folder: Path, write_wave: WriteWave, songs: tuple[str, str], tmp_path: Path
) -> None:
    endless = write_wave(tmp_path / "endless.wav", seconds=400, sample_rate=8000, channels=1)
    out = tmp_path / "out"
    command = [*COMMAND, "-q", "-m", str(model_folder), str(endless), "-o", str(out)]
    with subprocess.Popen(command) as process:
        while not (spools := list(out.glob(".unbraid-*/stems.f32"))):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        assert separate(songs[1], "-o", "out") == (0, [])
        assert spools[0].exists()
        process.kill()
