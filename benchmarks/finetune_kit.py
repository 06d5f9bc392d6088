"""Teach a model to take a drum kit apart into kick, snare and rest, and score it on songs that it never heard.

    taskset -c 0 python benchmarks/finetune_kit.py runs/kit --minutes 60

The songs are those of `benchmarks/finetune_kit_songs.py`. It runs `unbraid finetune` on the folder `own`, then
`unbraid evaluate` on `new`. The goal is an SDR of 10 dB for each stem. With a stem, a drummer changes the level of one
drum, or replaces it. So what doesn't belong there should sound at most half as loud as the drum, which takes 10 dB
(the sone scale). The exit code is 1 if the goal is missed.
"""

import argparse
import json
import os
import resource
import sys
from pathlib import Path

from finetune import unbraid

SDR_DB = 10.0  # goal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/finetune_kit.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="base", default="lite")
    parser.add_argument("--minutes", default="60")
    parser.add_argument("--taught", type=Path, help="score this model folder instead of teaching one")
    arguments = parser.parse_args()
    folder, taught = arguments.folder, arguments.taught
    os.environ["UNBRAID_OWN_MODELS"] = str(folder / "models")
    if taught is None:
        options = ("-o", "kit", "--from", arguments.base, "--minutes", arguments.minutes, "--json")
        end = json.loads(unbraid("finetune", folder / "own", *options).splitlines()[-1])
        taught, card = Path(end["folder"]), end["card"]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{card['minutes_of_songs']} minutes of songs, {card['songs']}, {card['recipe']}")
        print(f"{(used.ru_utime + used.ru_stime) / 60:.1f} minutes of processor time")
        for point in card["curve"]:
            print(f"{point['steps']} steps, {point['minutes']} min: {point['sdr_db']}")
    report = json.loads(
        unbraid("evaluate", "--reference", folder / "new", "-m", taught, "--baselines", "--json")
    )
    means = {name: summary["mean_sdr"] for name, summary in report["summary"].items()}
    for name, scores in means.items():
        print(f"{name}: " + ", ".join(f"{stem} {value:.2f} dB" for stem, value in scores.items()))
    reached = min(means[taught.name].values()) >= SDR_DB
    print("the goal is reached" if reached else "the goal is missed")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
