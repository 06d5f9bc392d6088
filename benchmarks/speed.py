"""Compare Unbraid with its peers, with the same network and weights: time, memory, and use of the processor.

    python benchmarks/speed.py SONG [--model htdemucs|spleeter|lite] [--peers demucs …] [--stems vocals|all] [--jobs N]
        [--runs 3] [--segments 5] [--busy N] [--json FILE] [--markdown FILE] [--at-least 2] [--at-most-mb 1200]

Prints one table, with a column for each contender. The contenders alternate.

- "song": the whole command, from the song to its stem files.
- "one segment": 7.8 s of noise through the network and its transforms, in a warm process. If the engine computes
  several segments in parallel, the time is divided by their number.
- Times are medians of the runs (lowest to highest). "relative to ours" divides each run by ours of the same turn.
- "engine": engine that computed the network, as its process reports. Ours is the native library if the processor
  supports it. The contender `openvino` is ours without the native library, as on all other processors.
- "load": start of Python until the model is ready.
- "first output": start of the process until the first seconds of stems. The peers write nothing before the end of the
  song, so their first output takes the time of the whole song.
- Operations: matrix products and convolutions of the network (`speed_operations.py`), divided by the time of a segment.
- "share of the peak": the time that these operations need at the processor's peak rate, divided by the measured time.
  `speed_peak.py` measures the peaks of floats and integers before and after the runs; integers count where the engine
  computes on them.

All sides use the CPU. With htdemucs, they use an overlap of 0.25 and no shifts. `--model spleeter --peers spleeter`
compares with Spleeter's program and the same published weights, with its own segments. With `--model lite` ours runs
its bundled model and the peers run htdemucs. That compares the user's waiting time, for unequal work and unequal
quality. `speed_readme.py` prints the table of the README. The exit status is 1 if a threshold is missed. `--busy 2`
measures beside two other programs that never wait. Peers are installed into their own environments the first time. A
failed installation is reported with its reason. `speed_profile.py` shows where the time of a segment goes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from speed_table import Measured, Setting, Thresholds, markdown, missed_thresholds, table, text
from unbraid.audio.decode import Decoder
from unbraid.models import find_model

OVERLAP = 0.25
QUIET = 0.5  # highest load average of a machine without other work


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and check the thresholds."""
    options = parse(arguments)
    date, load_average = time.strftime("%Y-%m-%d"), os.getloadavg()[0]
    set_up()
    song_s = length_s(options.song)
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
    setting = Setting(
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
        "busy": options.busy,
        "command": command(arguments),
        "peaks": {name: round(rate, 1) for name, rate in peak.items()},
        "operations_of_a_segment": operations,
    }
    return conclude(options, about, measured, setting)


def set_up() -> None:
    """Let the launcher create its environment, unless it exists."""
    measure([CHECKOUT / "unbraid", "models"])


def length_s(song: Path) -> float:
    """Decode `song` and return its length in seconds."""
    with Decoder(song) as decoder:
        return sum(block.shape[1] for block in decoder) / decoder.info.sample_rate


def conclude(
    options: argparse.Namespace,
    about: Mapping[str, Any],
    measured: Sequence[Measured],
    setting: Setting,
) -> int:
    """Print the table and write the requested files. Returns the exit status."""
    thresholds = Thresholds(
        options.at_least, options.at_most_mb, options.real_time_at_least, options.first_output_within
    )
    missed = missed_thresholds(measured, setting, thresholds)
    report = {
        **about,
        "setting": asdict(setting),
        "measured": [asdict(one) for one in measured],
        "thresholds": asdict(thresholds),
        "missed": missed,
    }
    rows, remarks = table(measured, setting), notes(measured, options.stems, report)
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
    parser.add_argument("--model", choices=("htdemucs", "spleeter", "lite"), default="htdemucs", help="ours")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="default: all")
    parser.add_argument("--stems", choices=("vocals", "all"), default="vocals")
    parser.add_argument("--jobs", type=int, help="of ours (default: its own choice)")
    parser.add_argument("--runs", type=int, default=3, help="songs of each side (default 3)")
    parser.add_argument("--segments", type=int, default=5, help="segments of each side (default 5)")
    parser.add_argument(
        "--busy", type=int, default=0, help="other programs that keep a core busy each (default 0)"
    )
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--at-least", type=float, help="lowest ratio of the first peer's wall time to ours")
    parser.add_argument("--at-most-mb", type=float, help="highest peak memory of ours")
    parser.add_argument(
        "--real-time-at-least", type=float, help="lowest ratio of the song's length to our wall time"
    )
    parser.add_argument("--first-output-within", type=float, help="most seconds until our first output")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, work: Work) -> list[Measured]:
    """Measure all contenders, ours first."""
    measured, sides = [], list[Side]()
    for name in ("", *options.peers):
        try:
            side: Contender = PEERS[name](work) if name else ours(options.model, options.jobs, work)
        except (CommandFailed, OSError) as error:
            measured.append(Measured(name, failed=f"installation failed: {error}"))
        else:
            measured.append(Measured(side.name, engine=side.engine))
            sides.append((side, measured[-1]))
    in_turn(sides, 1, prepare)
    with other_programs(options.busy):
        in_turn([side for side in sides if side[0].first], 1, load_uncached)  # the peers cache nothing
        in_turn(sides, options.runs, load)
        segments(sides, options.segments)
        in_turn(sides, options.runs, song)
    return measured


@contextmanager
def other_programs(count: int) -> Iterator[None]:
    """Run `count` programs that never wait."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def machine() -> str:
    """Describe processor, cores, memory and system."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = [line.partition(":")[2].strip() for line in information.read_text().splitlines()
                 if line.startswith("model name")]  # fmt: skip
        name = lines[0] if lines else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{name}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def command(arguments: Sequence[str] | None) -> str:
    """Return the command line, with file names instead of paths."""
    words = sys.argv[1:] if arguments is None else arguments
    return shlex.join(["python", "benchmarks/speed.py", *(word.rsplit("/", 1)[-1] for word in words)])


def notes(measured: Sequence[Measured], stems: str, report: Mapping[str, Any]) -> list[str]:
    """Return remarks for the table, one line each."""
    peak: dict[str, float] = report["peaks"]
    work: dict[str, int] = report["operations_of_a_segment"]
    lines = [
        f"The song lasts {report['setting']['song_s']:.1f} s, a segment of our network "
        + f"{report['setting']['segment_s']:.2f} s: {report['setting']['segment_gflop']:.1f} GFLOP ("
        + ", ".join(f"{kind} {value / 1e9:.1f}" for kind, value in work.items())
        + ").",
        "Peaks in G operations a second, of large float32 matrix products of a library or of an instruction: "
        + ", ".join(f"{rate:.0f} ({name})" for name, rate in peak.items())
        + ". The highest one of float32 counts.",
    ]
    if any(one.engine == NATIVE for one in measured):
        lines.append(
            "The native engine computes all but "
            + f"{report['setting']['gflop_as_floats']:.1f} GFLOP on integers, which are compared with the integer peak."
        )
    lines += [
        f"{one.name} computes {one.at_once} segments in parallel." for one in measured if one.at_once > 1
    ]
    if report["busy"]:
        lines.append(f"{report['busy']} other programs kept a core busy each.")
    if report["load_average"] > QUIET:
        lines.append(
            f"NOT QUIET: a load average of {report['load_average']} before the start. Other work "
            "slows contenders by different amounts; only CPU times are meaningful."
        )
    if stems == "vocals" and any(one.name.startswith("audio-separator") for one in measured):
        lines.append("audio-separator writes only the vocals; the others also write the accompaniment.")
    lines += [f"{one.name}: {one.failed}" for one in measured[1:] if one.failed]
    return [*lines, *(f"MISSED: {line}" for line in report["missed"])]


def page(model: str, report: Mapping[str, Any], rows: str, remarks: Sequence[str]) -> str:
    """Format the table as a page for `benchmarks/results`."""
    listed = "\n".join(f"- {line}" for line in remarks)
    return (
        f"# {report['date']}, speed of {model}\n\n{report['machine']}.\n\n    {report['command']}\n\n"
        f"Random weights of the published size, the same for all. Median (least to most) of the runs.\n\n"
        f"{rows}\n\n{listed}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
