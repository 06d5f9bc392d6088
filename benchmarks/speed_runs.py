"""Measure the contenders of `speed.py` in turn: whole songs, starts, and segments in warm processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from process import CommandFailed, failure, measure
from speed_contenders import Command, Contender
from speed_table import Measured, Segment

Side = tuple[Contender, Measured]


def in_turn(sides: Sequence[Side], runs: int, step: Callable[[Contender, Measured], None]) -> None:
    """Run `step` for each contender in turn, `runs` times. A contender that fails is skipped from then on."""
    for run in range(runs):
        for contender, measured in sides:
            if measured.failed is None:
                print(f"{step.__name__} {run + 1} of {runs}: {contender.name}", file=sys.stderr, flush=True)
                try:
                    step(contender, measured)
                except CommandFailed as error:
                    measured.failed = str(error)


def prepare(contender: Contender, measured: Measured) -> None:
    """Run once without measuring, so that byte code, converted weights and all caches exist."""
    measure(contender.load)
    measured.installed_mb = sum(map(megabytes, contender.installed))


def load(contender: Contender, measured: Measured) -> None:
    measured.load_s.append(measure(contender.load).wall_s)
    if contender.first:
        measured.first_output_s.append(measure(contender.first).wall_s)


def load_uncached(contender: Contender, measured: Measured) -> None:
    """Measure a load with an empty cache, as on the first use."""
    with tempfile.TemporaryDirectory() as empty:
        measured.uncached_load_s = measure(["env", f"UNBRAID_CACHE={empty}", *contender.load]).wall_s


def song(contender: Contender, measured: Measured) -> None:
    cost = measure(contender.separate)
    measured.songs.append(cost)
    if contender.first is None:
        measured.first_output_s.append(cost.wall_s)


def segments(sides: Sequence[Side], runs: int) -> None:
    """Compute one segment of each contender in turn, `runs` times, in processes that stay warm."""
    workers: dict[str, Worker] = {}
    try:

        def segment(contender: Contender, measured: Measured) -> None:
            if contender.name not in workers:
                assert contender.segments
                workers[contender.name] = Worker(contender.segments)
                ready = workers[contender.name].answer()
                measured.at_once, measured.engine = int(ready["at_once"]), str(ready["engine"])
            else:
                measured.segments.append(Segment(**workers[contender.name].compute()))

        computing = [side for side in sides if side[0].segments]
        in_turn(computing, runs + 1, segment)  # the first turn starts the processes
    finally:
        for worker in workers.values():
            worker.end()


class Worker:
    """A process that computes a segment for every line that it reads; see `SEGMENTS` in `speed_contenders.py`."""

    def __init__(self, command: Command) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # open while the process runs
        self._command = command
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        """Read the next line of its output. Raises CommandFailed if the process ends instead."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise failure(self._command, self._process.wait(), self._errors.read())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def compute(self) -> dict[str, Any]:
        """Compute the next segment and return its cost. Raises CommandFailed."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def megabytes(folder: Path) -> int:
    """Return the size of all files in `folder` in MB."""
    return round(sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)
