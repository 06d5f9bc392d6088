"""Print README's table of speed: ours and the peers on one song, in turns, with the same weights in each group.

    python benchmarks/speed_readme.py SONG [--runs 3] [--no-peers]

A group is a network: ours first, then the peers that run it. "Compared" divides the time of each run by ours of the
same turn and group. `speed.py` says how everything is measured, and compares more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import speed
from peer import make_peer
from speed_contenders import Work
from speed_table import Measured, markdown, ratios

GROUPS = {"htdemucs": ("demucs", "audio-separator"), "spleeter": ("spleeter",), "lite": ()}
"""Networks of ours, with the peers that run the same network and weights."""

HEADING = ["program", "engine", "time", "compared", "first stems after", "peak memory", "installed"]


def main() -> None:
    """Measure each group and print its rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="songs of each side (default 3)")
    parser.add_argument("--no-peers", action="store_true", help="measure only ours")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    speed.set_up()
    song_s, rows = speed.length_s(options.song), [HEADING]
    with tempfile.TemporaryDirectory() as out:
        work = Work(options.song, Path(out), "vocals", 0.25, make_peer().weights)
        for model, peers in GROUPS.items():
            words = ["--model", model, "--runs", str(options.runs), "--segments", "1", "--peers"]
            named = [] if options.no_peers else peers
            rows += lines(speed.run(speed.parse([str(options.song), *words, *named]), work), song_s)
    sys.stdout.write(
        f"{time.strftime('%Y-%m-%d')}, {speed.machine()}. A song of {song_s:.0f} s. "
        f"Load average before the start: {load:.1f}.\n\n{markdown(rows)}\n"
    )


def lines(measured: Sequence[Measured], song_s: float) -> Iterator[list[str]]:
    """Yield the row of each contender, ours first. One that failed has its reason in place of figures."""
    ours = [cost.wall_s for cost in measured[0].songs]
    for one in measured:
        if one.failed or not one.songs:
            yield [one.name, one.failed or "not measured", *["–"] * (len(HEADING) - 2)]
            continue
        walls = [cost.wall_s for cost in one.songs]
        wall_s = statistics.median(walls)
        peak_bytes = max(cost.peak_bytes for cost in one.songs)
        yield [
            one.name,
            one.engine,
            f"{wall_s:.1f} s ({song_s / wall_s:.1f} x real time)",
            f"{statistics.median(ratios(walls, ours)):.2f}",
            f"{statistics.median(one.first_output_s):.1f} s",
            f"{peak_bytes / 1e9:.2f} GB",
            f"{one.installed_mb} MB",
        ]


if __name__ == "__main__":
    main()
