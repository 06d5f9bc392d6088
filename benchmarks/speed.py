"""Unbraid and its peers in turn, with the same network and weights: time, memory, and how much of the machine is used.

    python benchmarks/speed.py SONG [--model htdemucs|lite] [--peers demucs …] [--stems vocals|all] [--jobs N]
        [--runs 3] [--segments 5] [--json FILE] [--markdown FILE] [--at-least 2] [--at-most-mb 1200]

Prints one table, with a column for each contender. "song" is the whole command, from the file to its stem files. "one
segment" is 7.8 s of noise through the network in a process that is warm, the transforms around it included; where the
engine computes several side by side, it is the time of all by their number. Times come as the median of the runs
(least to most); "as many times ours" divides, run by run, by ours of the same turn. `engine` is what computed the
network, as the process that did it says: of ours the native library, where the processor is one for it, and of the
contender `openvino` what computes on all others. `load` is Python's start and a model ready for use. `first output` is
the time from a process' start until the first seconds of stems are there: the peers hand out nothing before the song
is done, so for them that is all. Operations are the matrix products and convolutions of the network
(`speed_operations.py`), by the time of a segment. The share of the peak is the time that they take at the machine's
peak (`speed_peak.py`, before or after the runs) of floats, or of integers where the engine computes on those, by the
time that they took.

All compute on the CPU with an overlap of 0.25 and without shifts. With `--model lite` ours runs what comes with it and
the peers htdemucs: what a user waits for, not the same work, and nothing about how good the stems are. The exit status
is 1 where a threshold doesn't hold. Peers are installed into environments of their own the first time; one that can't
be is reported with the reason. `speed_profile.py` shows where the time of a segment goes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engines import NATIVE
from peer import SIGNATURE, make_peer
from process import CommandFailed, measure
from speed_contenders import CHECKOUT, PEERS, Contender, Work, ours
from speed_operations import as_floats, by_kind, count, one_segment
from speed_peak import INTEGERS, best_of, float_peak, peaks
from speed_runs import Side, in_turn, load, load_uncached, prepare, segments, song
from speed_table import Measured, Scene, Thresholds, broken, markdown, table, text
from unbraid.audio.decode import Decoder
from unbraid.models import find_model

OVERLAP = 0.25
QUIET = 0.5  # a load average up to which nothing else is taken to have run


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and say whether the thresholds hold."""
    options = parse(arguments)
    date, load_average = time.strftime("%Y-%m-%d"), os.getloadavg()[0]
    measure([CHECKOUT / "unbraid", "--version"])  # makes its environment the first time
    with Decoder(options.song) as decoder:
        song_s = sum(block.shape[1] for block in decoder) / decoder.info.sample_rate
    peer = make_peer()
    model = find_model(
        SIGNATURE if options.model == "htdemucs" else options.model,
        repo=peer.weights if options.model == "htdemucs" else None,
    )
    network = one_segment(model)
    operations = by_kind(count(network))
    pythons = CHECKOUT / ".venv/bin/python", peer.python if options.peers else None
    peak = peaks(*pythons)
    with tempfile.TemporaryDirectory() as out:
        work = Work(options.song, Path(out), options.stems, OVERLAP, peer.weights)
        measured = run(options, work)
    peak = best_of(peak, peaks(*pythons))
    scene = Scene(
        song_s=song_s,
        segment_s=model.segment / model.sample_rate,
        segment_gflop=sum(operations.values()) / 1e9,
        peak_gflops=float_peak(peak),
        same_network=options.model == "htdemucs",
        integer_peak=peak.get(INTEGERS),
        gflop_as_floats=as_floats(network) / 1e9,
    )
    about = {
        "date": date,
        "machine": machine(),
        "load_average": round(load_average, 1),
        "command": command(arguments),
        "peaks": {name: round(rate, 1) for name, rate in peak.items()},
        "operations_of_a_segment": operations,
    }
    return conclude(options, about, measured, scene)


def conclude(
    options: argparse.Namespace,
    about: Mapping[str, Any],
    measured: Sequence[Measured],
    scene: Scene,
) -> int:
    """Print the table, write the files that `options` ask for; the exit status."""
    thresholds = Thresholds(
        options.at_least, options.at_most_mb, options.real_time_at_least, options.first_output_within
    )
    missed = broken(measured, scene, thresholds)
    report = {
        **about,
        "scene": asdict(scene),
        "measured": [asdict(one) for one in measured],
        "thresholds": asdict(thresholds),
        "missed": missed,
    }
    rows, remarks = table(measured, scene), notes(measured, options.stems, report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(page(options.model, report, markdown(rows), remarks))
    print("\n".join([f"{about['date']}, {about['machine']}", about["command"], text(rows), *remarks]))
    return 1 if missed else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("--model", choices=("htdemucs", "lite"), default="htdemucs", help="ours")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="default: all")
    parser.add_argument("--stems", choices=("vocals", "all"), default="vocals")
    parser.add_argument("--jobs", type=int, help="of ours (default: what it takes by itself)")
    parser.add_argument("--runs", type=int, default=3, help="songs of each, in turn (default 3)")
    parser.add_argument("--segments", type=int, default=5, help="of each, in turn (default 5)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--at-least", type=float, help="the first peer's wall time by ours")
    parser.add_argument("--at-most-mb", type=float, help="our peak memory")
    parser.add_argument("--real-time-at-least", type=float, help="the song's length by our wall time")
    parser.add_argument("--first-output-within", type=float, help="seconds until our first output")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, work: Work) -> list[Measured]:
    """Everyone's figures, ours first."""
    measured, sides = [], list[Side]()
    for name in ("", *options.peers):
        try:
            side: Contender = PEERS[name](work) if name else ours(options.model, options.jobs, work)
        except (CommandFailed, OSError) as error:
            measured.append(Measured(name, failed=f"can't be installed: {error}"))
        else:
            measured.append(Measured(side.name))
            sides.append((side, measured[-1]))
    in_turn(sides, 1, prepare)
    in_turn([side for side in sides if side[0].first], 1, load_uncached)  # the peers keep nothing
    in_turn(sides, options.runs, load)
    segments(sides, options.segments)
    in_turn(sides, options.runs, song)
    return measured


def machine() -> str:
    """Processor, cores, memory, system."""
    named = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = [line.partition(":")[2].strip() for line in information.read_text().splitlines()
                 if line.startswith("model name")]  # fmt: skip
        named = lines[0] if lines else named
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{named}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    )


def command(arguments: Sequence[str] | None) -> str:
    """As it was called, files without their folders."""
    given = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["python", "benchmarks/speed.py", *(word.rsplit("/", 1)[-1] for word in given)])


def notes(measured: Sequence[Measured], stems: str, report: Mapping[str, Any]) -> list[str]:
    """What is to be known beside the table, a line each."""
    peak: dict[str, float] = report["peaks"]
    work: dict[str, int] = report["operations_of_a_segment"]
    lines = [
        f"The song lasts {report['scene']['song_s']:.1f} s, a segment of our network "
        + f"{report['scene']['segment_s']:.2f} s: {report['scene']['segment_gflop']:.1f} GFLOP ("
        + ", ".join(f"{kind} {value / 1e9:.1f}" for kind, value in work.items())
        + ").",
        "Peaks in G operations a second, of large float32 matrix products by a library or of an instruction: "
        + ", ".join(f"{rate:.0f} ({name})" for name, rate in peak.items())
        + ". The highest of float32 counts.",
    ]
    if any(one.engine == NATIVE for one in measured):
        lines.append(
            "Of the native engine's operations all but "
            + f"{report['scene']['gflop_as_floats']:.1f} GFLOP are on integers, and held against their peak."
        )
    lines += [f"{one.name} computes {one.at_once} segments at once." for one in measured if one.at_once > 1]
    if report["load_average"] > QUIET:
        lines.append(
            f"NOT QUIET: a load average of {report['load_average']} before this began. Other work makes times longer, "
            "and not for all alike; only CPU times say something."
        )
    if stems == "vocals" and any(one.name.startswith("audio-separator") for one in measured):
        lines.append("audio-separator writes the vocals alone; the others write the rest of the song too.")
    lines += [f"{one.name}: {one.failed}" for one in measured[1:] if one.failed]
    return [*lines, *(f"DOES NOT HOLD: {line}" for line in report["missed"])]


def page(model: str, report: Mapping[str, Any], rows: str, remarks: Sequence[str]) -> str:
    """The table as a page for `benchmarks/results`."""
    listed = "\n".join(f"- {line}" for line in remarks)
    return (
        f"# {report['date']}, speed of {model}\n\n{report['machine']}.\n\n    {report['command']}\n\n"
        f"Random weights of the published size, the same for all. Median (least to most) of the runs.\n\n"
        f"{rows}\n\n{listed}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
