"""The benchmark that cuts a song over functions: the stitched stems are those of the whole song."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.conftest import FOLDER
from tests.conftest import WriteWave


def test_stitched_stems_are_those_of_the_whole_song(write_wave: WriteWave, tmp_path: Path) -> None:
    # Four segments: two for each function, whichever of the two is the slower one.
    song = write_wave(tmp_path / "song.wav", 28.0)
    command = [sys.executable, FOLDER / "cut_song.py", song, "-m", "lite", "--functions", "2"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    row = dict(
        zip(*([cell.strip() for cell in line.split("|")] for line in (lines[1], lines[3])), strict=True)
    )
    assert (row["functions"], row["segments"]) == ("2", "2")
    assert float(row["largest difference"]) < 1e-5
