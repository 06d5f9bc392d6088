"""The server's processes are killed, and it is asked for what makes no sense: small runs of the benchmarks for both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SOURCE = Path(__file__).parents[2] / "src"

pytestmark = pytest.mark.long


def run(name: str, *options: str) -> list[str]:
    """Lines that a benchmark prints, all of whose promises held."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SOURCE))
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
def test_no_song_is_lost_and_nothing_left_behind_when_processes_are_killed() -> None:
    lines = run("kills", "--jobs", "2", "--kills", "2", "--workers", "1", "--seconds", "4")
    assert lines[0] == "undisturbed: 2 COMPLETED; 0 calls were made again"
    assert lines[1].startswith("2 kills (")
    assert lines[-1] == "holds"


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
def test_requests_and_songs_that_mean_no_good_do_none() -> None:
    lines = run("hostile", "--requests", "28", "--spoilt", "0", "--slow-s", "1", "--every", "40")
    assert int(lines[0].partition(" requests by schemathesis")[0]) >= 28
    assert lines[-1] == "holds"
