"""Check that a model reaches its scores, with `unbraid evaluate`.

    python benchmarks/scores.py SONGS [-m lite] --least vocals=3 no_vocals=9 [--level-most vocals=-15]

`--least`: lowest mean SDR in dB. `--level-most`: highest level of a stem that should be silent, in dB relative to the
mixture. Fails if a score is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("songs", type=Path)
    parser.add_argument("-m", "--model", default="lite")
    parser.add_argument("--least", nargs="+", type=bound, default=[], metavar="STEM=DB")
    parser.add_argument("--level-most", nargs="+", type=bound, default=[], metavar="STEM=DB")
    options = parser.parse_args()
    command = [
        sys.executable,
        "-m",
        "unbraid",
        "evaluate",
        "--json",
        "--reference",
        options.songs,
        "-m",
        options.model,
    ]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    summary = answer["summary"][options.model]
    missed = False
    for kind, bounds in (("mean_sdr", options.least), ("mean_level_db", options.level_most)):
        for stem, limit in bounds:
            measured = summary[kind][stem]
            reached = measured is not None and (
                measured >= limit if kind == "mean_sdr" else measured <= limit
            )
            missed = missed or not reached
            value = "none" if measured is None else f"{measured:.2f} dB"
            print(
                f"{stem:12} {kind:14} {value:>10}  limit {limit:g} dB  {'reached' if reached else 'MISSED'}"
            )
    return int(missed)


def bound(text: str) -> tuple[str, float]:
    stem, _, decibels = text.partition("=")
    return stem, float(decibels)


if __name__ == "__main__":
    sys.exit(main())
