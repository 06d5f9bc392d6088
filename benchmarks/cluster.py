"""Throughput of a Ray cluster for each core, against one process on one core.

`python benchmarks/cluster.py [--songs N] [--seconds S] [--model lite] [--at-least 0.9]` makes an environment with Ray,
separates the same songs by one process with one core, and by a cluster with one worker on each core, both pinned to
these cores. Start and end are left out: only the songs between the first and the last fifth count.

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
from collections.abc import Callable, Mapping, Sequence
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
        (folder / "one").mkdir()
        (folder / "all").mkdir()
        for number in range(options.songs * len(cores)):
            song = write_song(folder / f"all/{number}.wav", options.seconds, seed=number)
            if number < options.songs:
                os.link(song, folder / f"one/{number}.wav")
        single, single_cpu_s = throughput(
            [python, "-m", "unbraid", "separate", folder / "one", "-o", folder / "out one"],
            options.model,
            options.songs,
            environment(),
            cores[:1],
            cpu_s,
        )
        print(f"one process, one core: {single * options.seconds:.1f} s of music a second", flush=True)
        with ray_cluster(python, len(cores), environment()) as cluster:
            command = [
                python,
                "-m",
                "unbraid",
                "separate",
                f"file://{folder}/all",
                "-o",
                f"file://{folder}/out all",
            ]
            command += ["--on", cluster.address, "--cpus", "1"]
            together, together_cpu_s = throughput(
                command, options.model, options.songs * len(cores), environment(), cores, cpu_s
            )
    print(f"cluster of {len(cores)} cores: {together * options.seconds:.1f} s of music a second")
    ratio = together / len(cores) / single
    print(f"for each core: {ratio:.2f}")
    if together_cpu_s:
        print(f"CPU time of a song: {single_cpu_s:.2f} s, in the cluster {together_cpu_s:.2f} s")
        print(f"songs for the same CPU time: {single_cpu_s / together_cpu_s:.2f}")
    if options.at_least and ratio < options.at_least:
        sys.exit(f"less than {options.at_least}")


def throughput(
    command: Sequence[object],
    model: str,
    songs: int,
    variables: Mapping[str, str],
    cores: Sequence[int],
    cpu_s: Callable[[], float],
) -> tuple[float, float]:
    """Return songs a second and CPU seconds a song between the first and the last fifth of `songs`, on `cores`."""
    times, used = list[float](), list[float]()
    with subprocess.Popen(
        [str(word) for word in (*command, "-m", model, "--json", "-q")],
        env={**variables},
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
    return count / (times[last] - times[first]), (used[last] - used[first]) / count


if __name__ == "__main__":
    main()
