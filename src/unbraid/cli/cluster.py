"""`unbraid separate --on CLUSTER`: separate a catalogue of songs on many machines."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from unbraid.cli.ensembles import weights_by_stem
from unbraid.cli.events import Events
from unbraid.cli.messages import rough_time, say
from unbraid.cli.report import FAILED, NOT_AUDIO, SKIPPED, Report
from unbraid.cli.stopping import Stop, stop_on_signals
from unbraid.errors import SettingError

if TYPE_CHECKING:
    from unbraid.cluster.report import ReportFile, Totals
    from unbraid.cluster.song_worker import Outcome, Task

CPUS = 2.0
LINE_S = 5.0  # between two lines of progress
MOST_ERRORS = 10  # lines about failed songs; the report has all


def add_cluster_options(group: argparse._ArgumentGroup) -> None:
    """Declare the options."""
    group.add_argument(
        "--on",
        metavar="CLUSTER",
        help="separate on a Ray cluster: ray://HOST:10001, auto, or local for this machine; PATH and OUT are then URLs "
        "that all machines reach, such as s3://BUCKET/FOLDER; songs with stems are skipped (docs/scale.md)",
    )
    group.add_argument("--cpus", type=float, metavar="N", help=f"cores for each worker (default: {CPUS:g})")
    group.add_argument(
        "--gpus", type=float, metavar="N", help="graphics cards for each worker, such as 0.25 (default: 0)"
    )
    group.add_argument(
        "--workers", type=int, metavar="N", help="maximum number of workers (default: all that fit)"
    )
    group.add_argument(
        "--report", type=Path, metavar="FILE", help="write a row for each song to FILE.json or FILE.csv"
    )


def check_cluster_options(arguments: argparse.Namespace) -> None:
    """Check the options of a run with or without a cluster. Raises SettingError."""
    if arguments.on is None:
        for option in ("cpus", "gpus", "workers", "report"):
            if getattr(arguments, option) is not None:
                raise SettingError(f"--{option} is for a cluster. Add --on, or leave it out.")
        for path in (*arguments.songs, str(arguments.out)):
            if "://" in path:
                raise SettingError(f"{path} needs a cluster. Add --on local to use this machine as one.")
        return
    if len(arguments.songs) != 1:
        raise SettingError("With --on, give one folder of songs.")
    for option in ("name", "video", "then"):
        if getattr(arguments, option):
            raise SettingError(f"--{option} isn't available with --on. Leave it out.")
    if arguments.existing == "rename":
        raise SettingError("With --on, --existing is skip or replace.")
    for option in ("cpus", "gpus", "workers"):
        if (value := getattr(arguments, option)) is not None and value <= 0:
            raise SettingError(f"--{option} has to be more than 0, not {value:g}.")


def run_on_cluster(arguments: argparse.Namespace, for_stems: str) -> int:
    """Separate all songs of a folder on a cluster, and return the exit code.

    Raises SettingError, OutputError, StandardOutputError.
    """
    from unbraid.cluster.ray_pool import PoolSize
    from unbraid.cluster.ray_run import running
    from unbraid.cluster.report import ReportFile, Totals

    pool = PoolSize(arguments.cpus or CPUS, arguments.gpus or 0.0, arguments.workers)
    report = ReportFile(arguments.report) if arguments.report else None
    results = sys.stdout  # Ray prints messages of its nodes to sys.stdout
    with (
        stop_on_signals() as stop,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        running(arguments.on, _task(arguments, for_stems), pool) as run,
    ):
        if not arguments.quiet:
            say(f"{run.songs} files found.")
        display = _Display(arguments, Totals(run.songs), report, results)
        for outcome in run.outcomes:
            display.add(outcome)
            if stop.is_set():
                break
    return display.end(stop)


class _Display:
    """Prints progress, events and errors, and writes the report."""

    def __init__(
        self, arguments: argparse.Namespace, totals: Totals, report: ReportFile | None, results: TextIO
    ) -> None:
        self._totals, self._report, self._quiet = totals, report, arguments.quiet
        self._events = Events(per_song=arguments.json, all_events=arguments.events, stream=results)
        self._next_s = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count and report an outcome."""
        self._totals.add(outcome)
        if self._report:
            self._report.add(outcome)
        self._events.end_song(_report_of(outcome))
        if outcome.status == FAILED and self._totals.counts[FAILED] <= MOST_ERRORS:
            say(outcome.error)
        done, now = self._totals.counts.total(), self._totals.elapsed_s
        if not self._quiet and (now >= self._next_s or done == self._totals.songs):
            say(progress_line(self._totals))
            self._next_s = now + LINE_S

    def end(self, stop: Stop) -> int:
        """Print the summary, and return the exit code."""
        failed = self._totals.counts[FAILED]
        if self._report:
            self._report.end(self._totals)
        if failed > MOST_ERRORS:
            say(f"{failed - MOST_ERRORS} more songs failed. --report FILE.csv lists them.")
        self._events.end()
        if stop.is_set():
            say("Stopped. Run the same command again to go on.")
            return stop.exit_code
        return 1 if failed else 0


def progress_line(totals: Totals) -> str:
    """Describe the progress: `120 of 2000 files, 8.1 hours of music, 3 failed, about 2 hours left`."""
    counts = totals.counts
    parts = [f"{counts.total()} of {totals.songs} files", f"{totals.music_s / 3600:.1f} hours of music"]
    for status, word in ((SKIPPED, "skipped"), (NOT_AUDIO, "without sound"), (FAILED, "failed")):
        parts += [f"{counts[status]} {word}"] if counts[status] else []
    if counts.total() < totals.songs and (left := totals.left_s) is not None:
        parts.append(f"about {rough_time(left)} left")
    return ", ".join(parts)


def _report_of(outcome: Outcome) -> Report:
    return Report(
        outcome.song,
        outcome.status,
        duration_s=outcome.duration_s or None,
        seconds=outcome.seconds or None,
        warnings=list(outcome.warnings),
        error=outcome.error or None,
    )


def _task(arguments: argparse.Namespace, for_stems: str) -> Task:
    from unbraid.cluster.song_worker import Task

    return Task(
        arguments.songs[0],
        str(arguments.out),
        separator={
            "model": arguments.model,
            "combine": arguments.combine,
            "weights": weights_by_stem(arguments.weights),
            "for_stems": for_stems,
            "segment_s": arguments.segment,
            "chunks": arguments.chunks,
            "repo": None if arguments.repo is None else str(arguments.repo.absolute()),
            "unverified": arguments.unverified,
            "device": arguments.device,
            "quality": arguments.quality,
            "overlap": arguments.overlap,
            "shifts": arguments.shifts,
            "seed": arguments.seed,
            "jobs": arguments.jobs,
            "threads": max(1, round(arguments.cpus or CPUS)),
        },
        files={
            "start": arguments.start,
            "end": arguments.end,
            "format": arguments.format,
            "subtype": arguments.subtype,
            "bitrate": arguments.bitrate,
            "clip_mode": arguments.clip_mode,
            "audio_stream": arguments.audio_stream,
        },
        stems=arguments.stems,
        replace=arguments.existing == "replace",
    )
