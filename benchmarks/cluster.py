"""Throughput of a Ray cluster for each core, against processes without Ray.

`python benchmarks/cluster.py [--turns N] [--songs N] [--seconds S] [--model lite] [--at-least 0.9]` makes an
environment with Ray. In each turn it separates the same songs

- by one process for each core, all at the same time: cores share memory and caches, so one core alone is faster;
- by one process that uses all cores;
- by a cluster with one worker on each core.

`--at-least` compares the cluster with the first, by the median of the turns: a machine may change its speed between
them. Start and end are left out: only the songs between the first and the last fifth count.

As root, it also compares the CPU time for each song. Other load on the machine hardly changes that, but it doesn't show
whether all cores are busy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.cpu_meter import measure_cpu
from benchmarks.ray_cluster import environment, ray_cluster, ray_python
from benchmarks.songs import write_song


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--songs", type=int, default=20, help="for each core")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--at-least", type=float, metavar="RATIO")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    python = ray_python()
    cpu_s = measure_cpu() or (lambda: 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_songs(folder, cores, options.songs, options.seconds)
        turns = [
            Turn(folder / f"turn {i}", folder, options, cores, python, cpu_s) for i in range(options.turns)
        ]
        print("Seconds of music a second")
        print(
            f"| {len(cores)} processes, each with one core | one process | cluster | cluster against the first |"
        )
        print("| --- | --- | --- | --- |")
        runs = [turn.run() for turn in turns]
    ratio = statistics.median(together.songs_a_second / alone.songs_a_second for alone, together in runs)
    print(f"the cluster, against one process for each core: {ratio:.2f}")
    if runs[0][0].cpu_s:
        alone_s, together_s = (
            statistics.median(run.cpu_s for run in part) for part in zip(*runs, strict=True)
        )
        print(f"CPU time of a song: {alone_s:.2f} s, in the cluster {together_s:.2f} s")
    if options.at_least and ratio < options.at_least:
        sys.exit(f"less than {options.at_least}")


def write_songs(folder: Path, cores: Sequence[int], songs: int, seconds: float) -> None:
    """Write `songs` for each core into the folder `all`, and those of each core into a folder of its own too."""
    for core in cores:
        (folder / f"of {core}").mkdir()
    (folder / "all").mkdir()
    for number in range(songs * len(cores)):
        song = write_song(folder / f"all/{number}.wav", seconds, seed=number)
        os.link(song, folder / f"of {cores[number % len(cores)]}/{number}.wav")


@dataclass(frozen=True, slots=True)
class Turn:
    """All parts, one after the other."""

    out: Path
    music: Path
    options: argparse.Namespace
    cores: Sequence[int]
    python: Path
    cpu_s: Callable[[], float]

    def run(self) -> tuple[Run, Run]:
        """Measure one process for each core, and the cluster. Print a row of the table."""
        count = self.options.songs * len(self.cores)
        with ThreadPoolExecutor(len(self.cores)) as pool:
            runs = list(pool.map(lambda core: self._separate(f"of {core}", [core]), self.cores))
        # The CPU time is that of all processes, for the songs of one of them.
        alone = Run(sum(run.songs_a_second for run in runs), runs[-1].cpu_s / len(self.cores))
        single = self._separate("all", self.cores)
        with ray_cluster(self.python, len(self.cores), environment()) as cluster:
            together = self._measure(
                f"file://{self.music}/all", f"file://{self.out}/cluster", count, self.cores,
                "--on", cluster.address, "--cpus", "1",
            )  # fmt: skip
        figures = [run.songs_a_second * self.options.seconds for run in (alone, single, together)]
        row = [f"{figure:.1f}" for figure in figures] + [f"{figures[2] / figures[0]:.2f}"]
        print(f"| {' | '.join(row)} |", flush=True)
        return alone, together

    def _separate(self, part: str, own: Sequence[int]) -> Run:
        songs = self.options.songs * (len(own) if part == "all" else 1)
        return self._measure(self.music / part, self.out / part, songs, own)

    def _measure(self, music: object, out: object, songs: int, own: Sequence[int], *more: str) -> Run:
        command = [
            self.python,
            "-m",
            "unbraid",
            "separate",
            music,
            "-o",
            out,
            "-m",
            self.options.model,
            *more,
        ]
        return measure([*command, "--json", "-q"], songs, own, self.cpu_s)


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of a command between the first and the last fifth of its songs."""

    songs_a_second: float
    cpu_s: float
    """CPU time of this benchmark for each song; 0 if it can't be measured."""


def measure(command: Sequence[object], songs: int, cores: Sequence[int], cpu_s: Callable[[], float]) -> Run:
    """Run a command that separates `songs` on `cores`."""
    times, used = list[float](), list[float]()
    with subprocess.Popen(
        [str(word) for word in command],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["status"] != "done":
                sys.exit(line)
            times.append(time.monotonic())
            used.append(cpu_s())
    if len(times) != songs:
        sys.exit(f"{len(times)} of {songs} songs are done")
    first, last = songs // 5, songs - songs // 5 - 1
    count = last - first
    return Run(count / (times[last] - times[first]), (used[last] - used[first]) / count)


if __name__ == "__main__":
    main()
