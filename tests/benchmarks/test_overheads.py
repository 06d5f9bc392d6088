"""`benchmarks/overheads.py` attributes CPU time to the stages of a separation."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.audio.sounds import bursts
from tests.benchmarks.conftest import FOLDER

from unbraid.audio.encode import Encoder


def test_prints_the_time_of_every_stage(tmp_path: Path) -> None:
    with Encoder(tmp_path / "song.wav", sample_rate=48000, channels=2) as song:
        song.write(bursts(48000, 2, 48000))
    done = subprocess.run(
        [sys.executable, FOLDER / "overheads.py", tmp_path / "song.wav", "--runs", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[1:-1]]
    costs = {name.strip(): float(cost) for name, cost in rows}
    stages = {
        "opening the song",
        "decoding, twice",
        "resampling",
        "transform",
        "inverse",
        "spool",
        "encoding",
    }
    assert {name for name, cost in costs.items() if cost > 0} >= {*stages, "everything else", "in total"}


def test_time_of_a_stage_excludes_the_stages_that_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    overheads = importlib.import_module("overheads")
    moments = iter(np.cumsum([0, 3, 5, 7, 11]))  # outer begins, inner begins, inner ends, outer ends
    monkeypatch.setattr(overheads.time, "thread_time", lambda: float(next(moments)))
    clock = overheads.Clock()
    with clock.stage("outer"), clock.stage("inner"):
        pass
    assert clock.seconds == {"outer": 3 + 7, "inner": 5}
