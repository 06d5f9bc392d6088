"""Throughput of a Ray cluster for each core, against processes without Ray.

`python benchmarks/cluster.py [--songs N] [--seconds S] [--model lite] [--at-least 0.9]` makes an environment with Ray,
and separates the same songs

- by one process for each core, all at the same time: cores share memory and caches, so one core alone is faster;
- by one process that uses all cores;
- by a cluster with one worker on each core.

`--at-least` compares the cluster with the first. Start and end are left out: only the songs between the first and the
last fifth count.

As root, it also compares the CPU time for each song. Other load on the machine hardly changes that, but it doesn't show
whether all cores are busy.
"""

from __future__ import annotations

import argparse
import json
import os
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
    parser.add_argument("--songs", type=int, default=60, help="for each core")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--at-least", type=float, metavar="RATIO")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    python = ray_python()
    cpu_s = measure_cpu() or (lambda: 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for core in cores:
            (folder / f"of {core}").mkdir()
        (folder / "all").mkdir()
        for number in range(options.songs * len(cores)):
            song = write_song(folder / f"all/{number}.wav", options.seconds, seed=number)
            os.link(song, folder / f"of {cores[number % len(cores)]}/{number}.wav")

        def separate(songs: object, out: str, count: int, own: Sequence[int], *more: str) -> Run:
            command = [python, "-m", "unbraid", "separate", songs, "-o", out, "-m", options.model, *more]
            return measure([*command, "--json", "-q"], count, own, cpu_s)

        def report(title: str, songs_a_second: float) -> None:
            print(f"{title}: {songs_a_second * options.seconds:.1f} s of music a second", flush=True)

        with ThreadPoolExecutor(len(cores)) as pool:
            alone = list(
                pool.map(
                    lambda core: separate(
                        folder / f"of {core}", f"{folder}/out of {core}", options.songs, [core]
                    ),
                    cores,
                )
            )
        single = sum(run.songs_a_second for run in alone)
        report(f"{len(cores)} processes, each with one core", single)
        count = options.songs * len(cores)
        report("one process", separate(folder / "all", f"{folder}/out all", count, cores).songs_a_second)
        with ray_cluster(python, len(cores), environment()) as cluster:
            urls = f"file://{folder}/all", f"file://{folder}/out of the cluster"
            together = separate(*urls, count, cores, "--on", cluster.address, "--cpus", "1")
        report(f"cluster of {len(cores)} cores", together.songs_a_second)
    ratio = together.songs_a_second / single
    print(f"the cluster, against one process for each core: {ratio:.2f}")
    if together.cpu_s:
        single_cpu_s = alone[-1].cpu_s / len(cores)  # of all processes, for the songs of one of them
        print(f"CPU time of a song: {single_cpu_s:.2f} s, in the cluster {together.cpu_s:.2f} s")
    if options.at_least and ratio < options.at_least:
        sys.exit(f"less than {options.at_least}")


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
