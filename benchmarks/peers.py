"""Unbraid and `demucs` 4.1.0 in turn on one song: time, memory, size of the installation.

    python benchmarks/peers.py SONG [--model htdemucs|lite] [--runs 3] [--at-least 1.3] [--at-most-mb 1600]

With `htdemucs` (the default) both run the same network with the same weights. With `lite` each runs what comes
with it: what a user waits for, not the same work, and nothing about how good the stems are (`unbraid evaluate`
is for that). Fails when the ratio of wall times is under `--at-least` or our peak memory over `--at-most-mb`.
Makes an environment for the peer the first time.

`load` is Python's start and a model ready for use. `first output` is the time from a process' start until the
first seconds of stems are there: the peer hands out nothing before the song is done, so for it that is all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from peer import PLACE, SIGNATURE, Peer, make_peer
from process import Cost, measure
from unbraid.audio import Decoder

OURS_LOADS = "import sys; from unbraid import Separator; Separator(sys.argv[1], repo=sys.argv[2] or None)"
THEIRS_LOADS = """
import sys; from pathlib import Path; from demucs.pretrained import get_model; get_model(sys.argv[1], Path(sys.argv[2]))
"""
# Leaves the moment the first stems are there.
OURS_FIRST = """
import os, sys; from unbraid import Separator
def leave(progress):
    if progress.stage == "separating" and progress.seconds_done > 0:
        os._exit(0)
Separator(sys.argv[1], repo=sys.argv[2] or None).separate_to_files(sys.argv[3], sys.argv[4], progress=leave)
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """One side: its name, what separates the song, loads its model, gives first stems, and where it is installed."""

    name: str
    separate: list[str | Path]
    load: list[str | Path]
    first: list[str | Path] | None
    installed: Path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--model", choices=("htdemucs", "lite"), default="htdemucs")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn (default 3)")
    parser.add_argument("--at-least", type=float, default=0.0, help="ratio of wall times")
    parser.add_argument("--at-most-mb", type=float, default=float("inf"), help="our peak memory")
    parser.add_argument("--peer", type=Path, default=PLACE)
    parser.add_argument(
        "--ours", type=Path, default=Path(__file__).parents[1] / "unbraid", help="the launcher"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    peer = make_peer(options.peer)
    subprocess.run([options.ours, "--version"], check=True)  # makes its environment the first time
    with Decoder(options.song) as decoder:
        seconds = sum(block.shape[1] for block in decoder) / decoder.info.sample_rate
    with tempfile.TemporaryDirectory() as out:
        sides = (
            our_side(options.ours, options.model, peer, options.song, Path(out)),
            their_side(peer, options.song, Path(out)),
        )
        separating: list[list[Cost]] = [[], []]
        for _ in range(options.runs):
            for costs, side in zip(separating, sides, strict=True):
                costs.append(measure(side.separate))
        rows = [summary(side, costs) for side, costs in zip(sides, separating, strict=True)]
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {cores()} cores, {platform.system()}",
        "command": f"python benchmarks/peers.py {options.song.name} --model {options.model} --runs {options.runs}",
        "song_s": round(seconds, 1),
        "medians": {side.name: row for side, row in zip(sides, rows, strict=True)},
        "separating": {
            side.name: [asdict(cost) for cost in costs] for side, costs in zip(sides, separating, strict=True)
        },
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    show(report)
    ratio = rows[1]["wall_s"] / rows[0]["wall_s"]
    held = ratio >= options.at_least and rows[0]["peak_mb"] <= options.at_most_mb
    if not held:
        print(f"DOES NOT HOLD: at least {options.at_least:g} times faster, at most {options.at_most_mb:g} MB")
    return 0 if held else 1


def our_side(launcher: Path, model: str, peer: Peer, song: Path, out: Path) -> Contender:
    python, repo = launcher.parent / ".venv/bin/python", peer.weights
    name, given = (SIGNATURE, [repo]) if model == "htdemucs" else (model, [""])
    options = ["--repo", repo] if model == "htdemucs" else []
    return Contender(
        f"unbraid ({model})",
        [launcher, "separate", song, "-m", name, *options, "-o", out / "ours", "--quiet"],
        [python, "-c", OURS_LOADS, name, *given],
        [python, "-c", OURS_FIRST, name, *given, song, out / "first"],
        launcher.parent / ".venv",
    )


def their_side(peer: Peer, song: Path, out: Path) -> Contender:
    return Contender(
        "demucs 4.1.0 (htdemucs)",
        [peer.command, "--repo", peer.weights, "-n", SIGNATURE, "--two-stems", "vocals",
         "-o", out / "theirs", song],
        [peer.python, "-c", THEIRS_LOADS, SIGNATURE, peer.weights],
        None,
        peer.environment,
    )  # fmt: skip


def summary(side: Contender, separating: list[Cost]) -> dict[str, float]:
    """Medians of one side's costs."""
    wall_s, cpu_s, peak = (
        statistics.median(getattr(cost, field) for cost in separating)
        for field in ("wall_s", "cpu_s", "peak_bytes")
    )
    return {
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "peak_mb": round(peak / 1e6),
        "load_s": round(measure(side.load).wall_s, 2),
        "first_output_s": round(measure(side.first).wall_s if side.first else wall_s, 2),
        "installed_mb": megabytes(side.installed),
    }


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def megabytes(folder: Path) -> int:
    return round(sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def show(report: dict[str, object]) -> None:
    medians: dict[str, dict[str, float]] = report["medians"]  # type: ignore[assignment]
    print(f"{report['date']}, {report['machine']}; {report['song_s']} s of music; medians of the runs")
    columns = ("wall_s", "cpu_s", "peak_mb", "load_s", "first_output_s", "installed_mb")
    print(f"{'':26}" + "".join(f"{column:>16}" for column in columns))
    for name, row in medians.items():
        print(f"{name:26}" + "".join(f"{row[column]:16g}" for column in columns))
    ours, theirs = medians.values()
    print(f"{'ratio':26}" + "".join(f"{theirs[column] / ours[column]:16.2f}" for column in columns))


if __name__ == "__main__":
    sys.exit(main())
