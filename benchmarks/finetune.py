"""Teach a model from the songs of `benchmarks/finetune_songs.py`, and score it on new and on old songs.

    python benchmarks/finetune.py runs/finetune --from lite --minutes 60

It runs `unbraid finetune` on the folder `own`. Then `unbraid evaluate` scores the model before and after: on `more`,
other songs of the voice; on `new`, songs of the voice with other instruments; and on `old`, songs of other voices. The
goals: 1.5 dB more for the vocals of `more`, and at most 0.3 dB lost by any stem of `old`. The exit code is 1 if one is
missed. Nothing is asked of `new`: it shows how much of what was learnt is the voice, and not the instruments.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

GAIN_DB, LOSS_DB = 1.5, 0.3  # goals


def unbraid(*arguments: str | Path) -> str:
    """Run a command, and return what it printed."""
    command = [sys.executable, "-m", "unbraid", *map(str, arguments)]
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True).stdout


def scores(songs: Path, model: str | Path) -> dict[str, float]:
    """Mean SDR in dB of each stem."""
    report = json.loads(unbraid("evaluate", "--reference", songs, "-m", model, "--json"))
    (summary,) = report["summary"].values()
    return dict(summary["mean_sdr"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/finetune.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="base", default="lite")
    parser.add_argument("--minutes", default="60")
    parser.add_argument("--taught", type=Path, help="score this model folder instead of teaching one")
    arguments = parser.parse_args()
    folder, base = arguments.folder, arguments.base
    os.environ["UNBRAID_OWN_MODELS"] = str(folder / "models")
    taught = arguments.taught
    if taught is None:
        name = f"taught_{base}"
        command = ("finetune", folder / "own", "-o", name, "--from", base, "--minutes", arguments.minutes)
        end = json.loads(unbraid(*command, "--json").splitlines()[-1])
        taught = Path(end["folder"])
        print(f"held-out songs: {end['card']['sdr_db']}; {end['card']['recipe']}")
    reached = True
    for songs in ("more", "new", "old"):
        before, after = scores(folder / songs, base), scores(folder / songs, taught)
        gains = {stem: after[stem] - before[stem] for stem in after if stem in before}
        for stem, gain in gains.items():
            print(f"{songs} {stem}: {before[stem]:.2f} dB before, {after[stem]:.2f} after ({gain:+.2f})")
        if songs == "more":
            reached &= gains["vocals"] >= GAIN_DB
        elif songs == "old":
            reached &= min(gains.values()) >= -LOSS_DB
    print("both goals are reached" if reached else "a goal is missed")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
