"""Separate many songs in three ways: with one command, with a loop in one process, and with a command for each song.

    python benchmarks/batch.py [--songs 20] [--seconds 30] [--model lite] [--repo DIR] [--stems vocals]
                               [--formats wav flac mp3] [--rounds 1]

Songs are generated (stereo, 44.1 kHz, 16 bit WAV). `one by one` is a loop over `Separator.separate_to_files`: it loads
the model once, and songs do not overlap. The three ways alternate, so that other work on the machine slows them
equally. The fastest of several rounds counts. Ratios are relative to one command. Fails if stems differ between the
ways. Needs a Unix system.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engines import engine_of
from process import Cost, measure
from songs import write_song
from unbraid.models import find_model

ONE_BY_ONE = """
import sys; from unbraid import Separator
model, repo, stems, format, out, *songs = sys.argv[1:]
separator = Separator(model, repo=repo or None)
for song in songs:
    separator.separate_to_files(song, out, stems=stems, format=format)
"""


def main() -> int:
    """Measure, print a table for each format, and check that the stems are identical."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30, help="of each song (default %(default)g)")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--repo", default="")
    parser.add_argument("--stems", default="vocals")
    parser.add_argument("--formats", nargs="+", default=["wav", "flac", "mp3"])
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    engine = engine_of(find_model(options.model, repo=Path(options.repo) if options.repo else None))
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}: {options.songs} songs of {options.seconds:g} s, "
        f"{options.model} by {engine}"
    )
    same = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        songs = [
            write_song(folder / f"{seed:02}.wav", options.seconds, seed) for seed in range(options.songs)
        ]
        for format in options.formats:
            ways = make_ways(songs, folder, options, format)
            costs: dict[str, list[Cost]] = {name: [] for name in ways}
            for _ in range(options.rounds):
                for name, way in ways.items():
                    costs[name].append(way())
            show(format, costs, options.songs, options.songs * options.seconds)
            same &= (
                contents(folder / "one-command")
                == contents(folder / "command-each")
                == contents(folder / "one-by-one")
            )
    print("stems are identical, byte for byte" if same else "STEMS DIFFER")
    return 0 if same else 1


def make_ways(
    songs: list[Path], folder: Path, options: argparse.Namespace, format: str
) -> dict[str, Callable[[], Cost]]:
    """Return a function for each way, by name. It separates all songs and returns the cost."""
    model = ["-m", options.model, *(["--repo", options.repo] if options.repo else [])]
    common = [*model, "--stems", options.stems, "--format", format, "--quiet"]
    command = [sys.executable, "-m", "unbraid", "separate", *common]
    loop = [sys.executable, "-c", ONE_BY_ONE, options.model, options.repo, options.stems, format]

    def command_each() -> Cost:
        costs = [measure([*command, "-o", folder / "command-each", song]) for song in songs]
        return Cost(
            sum(cost.wall_s for cost in costs),
            sum(cost.cpu_s for cost in costs),
            max(cost.peak_bytes for cost in costs),
        )

    return {
        "one command": lambda: measure([*command, "-o", folder / "one-command", *songs]),
        "one by one": lambda: measure([*loop, folder / "one-by-one", *songs]),
        "a command each": command_each,
    }


def show(format: str, costs: dict[str, list[Cost]], songs: int, seconds: float) -> None:
    """Print a table of the fastest run of each way."""
    best = {name: min(runs, key=lambda cost: cost.wall_s) for name, runs in costs.items()}
    least = best["one command"]
    columns = ("wall", "CPU", "peak", "songs/min", "real time", "wall ratio", "CPU ratio")
    print(f"\n{format:16}" + "".join(f"{column:>12}" for column in columns))
    for name, cost in best.items():
        values = (
            f"{cost.wall_s:.1f} s",
            f"{cost.cpu_s:.1f} s",
            f"{cost.peak_bytes / 1e6:.0f} MB",
            f"{60 * songs / cost.wall_s:.1f}",
            f"{seconds / cost.wall_s:.1f} x",
            f"{cost.wall_s / least.wall_s:.2f}",
            f"{cost.cpu_s / least.cpu_s:.2f}",
        )
        print(f"{name:16}" + "".join(f"{value:>12}" for value in values), flush=True)


def contents(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all files in `folder` except hidden ones, by relative path.

    Reads files in blocks: a child process starts with the memory of its parent, so a large parent would raise all
    peaks.
    """
    hashes = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                hashes[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


if __name__ == "__main__":
    sys.exit(main())
