"""`unbraid finetune`, killed ten times at random, ends with the weights of a run that was never stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.finetuning.synthetic import write_songs, write_tiny_model

KILLS = 10
STEPS = 60
# The command, with a checkpoint after every step and short crops, so that a run takes seconds. Each run measures if
# bfloat16 is faster; here all get the same answer: float32.
PROGRAM = (
    "import sys; from unbraid.finetuning import scoring, teach; from unbraid.cli.main import main; "
    "teach.Teacher._step_s = lambda self, bfloat16: 1.0; "
    "teach.CHECKPOINT_S, teach.SAMPLES = 0.0, 15 * 1024; scoring.CROPS, scoring.CROP = 1, 63 * 1024; "
    "sys.exit(main(sys.argv[1:]))"
)


def command(songs: Path, name: str, base: Path) -> list[str]:
    options = ["-o", name, "--from", str(base), "--steps", str(STEPS), "--seed", "7", "--json"]
    return [sys.executable, "-c", PROGRAM, "finetune", str(songs), *options]


@pytest.mark.stress
def test_killed_runs_end_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "own"
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(models))
    songs = write_songs(tmp_path / "songs", ("low", "high"))
    base = write_tiny_model(tmp_path / "tiny")
    subprocess.run(command(songs, "whole", base), check=False, stdout=subprocess.DEVNULL)
    rng = random.Random(0)
    stops = sorted(rng.sample(range(1, STEPS // 5), KILLS))
    for stop in stops:  # the steps that are reported are 5, 10, ...
        with subprocess.Popen(command(songs, "killed", base), stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            for line in run.stdout:
                event = json.loads(line)
                if event["event"] in ("progress", "score") and event["steps"] == 5 * stop:
                    # Somewhere in the next step, or while the checkpoint is written.
                    os.kill(run.pid, signal.SIGKILL)
                    break
        left = [path for path in models.rglob("*") if path.is_file() and ".runs" in path.parts]
        assert all(
            path.suffix in (".pt", ".json", ".lock") or path.name.startswith(".part-") for path in left
        )
    ended = subprocess.run(command(songs, "killed", base), check=False, stdout=subprocess.PIPE, text=True)
    assert '"resumed": true' in ended.stdout
    found = [next(models.rglob(f"{name}/weights.bin")) for name in ("whole", "killed")]
    print(f"killed at the steps {[5 * stop for stop in stops]} of {STEPS}")
    assert found[0].read_bytes() == found[1].read_bytes()
