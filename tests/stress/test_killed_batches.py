"""A batch is killed at random moments and resumed with `--existing skip`: each song is done exactly once.

The library has songs of the same name in different formats, covers and texts. After each kill the same command runs
again. At the end every song has one folder with its own sound, finished songs have kept their files, and nothing else
is left.

The short form kills twice. The long form (`./test -m stress -s tests/stress/test_killed_batches.py`) kills ten times
while it separates 1,000 songs in 200 folders; STRESS_SONGS, STRESS_FOLDERS, STRESS_KILLS and STRESS_SEED change it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.songs import write_song
from tests.folders import everything_in
from tests.separation.conftest import read
from tests.stress.run_options import SEED, option

from unbraid.separation.song_record import RECORD

COMMAND = [
    sys.executable,
    "-m",
    "unbraid",
    "separate",
    "music",
    "-o",
    "out",
    "--existing",
    "skip",
    "--json",
    "-q",
]
SECONDS = 0.1  # of each song


@dataclass(frozen=True)
class Run:
    """Size of a run."""

    songs: int
    folders: int
    kills: int


LONG = Run(int(option("SONGS", 1000)), int(option("FOLDERS", 200)), int(option("KILLS", 10)))
RUNS = [pytest.param(Run(12, 4, 2), id="short"), pytest.param(LONG, id="long", marks=pytest.mark.stress)]


@pytest.mark.parametrize("run", RUNS)
def test_a_killed_batch_resumes_where_it_was(run: Run, model_folder: Path, tmp_path: Path) -> None:
    songs = write_library(tmp_path / "music", run)
    choose = random.Random(SEED)
    command = [*COMMAND, "-m", str(model_folder)]
    for kill in range(run.kills):
        # Spread over the songs, and at any moment of one.
        new = choose.randrange(0, max(1, 2 * run.songs // (run.kills + 1)))
        before = finished_in(tmp_path / "out")
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            done = 0
            for line in process.stdout:
                done += json.loads(line)["event"] == "finished"
                if done > new:
                    break
            time.sleep(choose.uniform(0, 0.05))
            process.kill()
        after = finished_in(tmp_path / "out")
        assert before.items() <= after.items()
        print(f"kill {kill + 1}: {len(after)} of {run.songs} songs are done", flush=True)
    before = finished_in(tmp_path / "out")
    events = resume(command, tmp_path)
    counts = {
        name: sum(event["event"] == name for event in events) for name in ("finished", "skipped", "failed")
    }
    after = finished_in(tmp_path / "out")
    assert before.items() <= after.items()
    assert counts["finished"] == run.songs - len(before)
    check_stems(songs, tmp_path)
    before_s = cpu_seconds()
    events = resume(command, tmp_path)
    seconds = cpu_seconds() - before_s
    assert sum(event["status"] == "skipped" for event in events) == run.songs
    assert finished_in(tmp_path / "out") == after
    print(
        f"{run.songs} songs skipped in {seconds:.1f} CPU seconds, with the start of the command", flush=True
    )


def write_library(folder: Path, run: Run) -> list[Path]:
    """Write songs, and in every folder a cover and a text."""
    songs = []
    for number in range(run.songs):
        place = folder / f"album {number % run.folders}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "README.md").write_text("A text.")
        (place / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
        # Two songs of a folder have the same name, but for its suffix.
        name = f"song {number // run.folders // 2}.{'wav' if number // run.folders % 2 else 'wave'}"
        songs.append(write_song(place / name, SECONDS, seed=SEED + number))
    return songs


def finished_in(out: Path) -> dict[str, tuple[int, ...]]:
    """Return the times of the files in each folder with a record that is finished."""
    finished = {}
    for record in out.rglob(RECORD):
        if json.loads(record.read_bytes())["making"]:
            times = tuple(path.stat().st_mtime_ns for path in sorted(record.parent.iterdir()))
            finished[str(record.parent)] = times
    return finished


def cpu_seconds() -> float:
    """Return the processor time of ended child processes."""
    times = os.times()
    return times.children_user + times.children_system


def resume(command: list[str], folder: Path) -> list[dict[str, Any]]:
    """Run the command to its end, and return its events."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_stems(songs: list[Path], folder: Path) -> None:
    """Every song has one folder, whose stems add up to it; there is nothing else."""
    owners = {}
    for record in (folder / "out").rglob(RECORD):
        content = json.loads(record.read_bytes())
        source = Path(content["source"]["path"])
        assert source not in owners
        owners[source] = record.parent
        assert record.parent.parent.name == source.parent.name
        mixture = sum(read(record.parent / name) for name in content["files"])
        np.testing.assert_allclose(mixture, read(source), atol=2e-4)
        assert sorted(content["files"]) == ["no_vocals.wav", "vocals.wav"]
        assert len(list(record.parent.iterdir())) == 3
    assert owners.keys() == {song.absolute() for song in songs}
    albums = {song.parent.name for song in songs}
    assert len(everything_in(folder / "out")) == len(albums) + 4 * len(songs)
