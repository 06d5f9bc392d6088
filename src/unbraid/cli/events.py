"""The lines of `unbraid separate --json` and `--events`: one JSON object each. docs/cli.md lists their fields."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from os import PathLike, fspath
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from unbraid.cli.report import DONE, Report
from unbraid.cli.streams import StandardOutputError, write_result

if TYPE_CHECKING:
    from unbraid.separation import Progress

STARTED, PROGRESS, WARNING, END = "started", "progress", "warning", "end"
PROGRESS_STEP = 0.01  # share of the work between two events: a hundred lines for a song

Song = str | PathLike[str]


class Events:
    """Prints events. `per_song`: the last event of each song; `all_events`: all others too. Thread-safe.

    `stream`: standard output, if a library prints into `sys.stdout` meanwhile.
    """

    def __init__(self, *, per_song: bool, all_events: bool, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._per_song, self._all = per_song or all_events, all_events
        self._lock = Lock()
        self._next: dict[str, float] = {}
        self._started = time.monotonic()
        self._seconds = 0.0
        self._counts: Counter[str] = Counter()
        self.lost: StandardOutputError | None = None
        """Why lines can't be printed. The songs are separated all the same."""

    def progress(self, song: Song, progress: Progress) -> None:
        """Report that a song has started, or how far it is."""
        if not self._all:
            return
        name = fspath(song)
        with self._lock:
            due = self._next.get(name)
            if due is None:
                self._print({"event": STARTED, "input": name})
            elif progress.fraction < due:
                return
            self._next[name] = progress.fraction + PROGRESS_STEP
            self._print(
                {
                    "event": PROGRESS,
                    "input": name,
                    "stage": progress.stage,
                    "fraction": round(progress.fraction, 4),
                    "seconds_done": round(progress.seconds_done, 3),
                    "seconds_total": None
                    if progress.seconds_total is None
                    else round(progress.seconds_total, 3),
                }
            )

    def end_song(self, report: Report) -> None:
        """Report the outcome of a song."""
        with self._lock:
            self._counts[report.status] += 1
            self._seconds += report.seconds or 0.0
            self._next.pop(report.input, None)
            if self._all:
                for warning in report.warnings:
                    self._print({"event": WARNING, "input": report.input, "message": warning})
            if self._per_song:
                self._print({"event": report.event, **vars(report)})

    def end(self) -> None:
        """Report that all songs have ended. Raises StandardOutputError if lines are lost."""
        if self._all:
            with self._lock:
                counts = {status: self._counts[status] for status in (DONE, *Report.OTHERS)}
                self._print(
                    {
                        "event": END,
                        **counts,
                        "seconds": round(self._seconds, 3),
                        "elapsed_s": round(time.monotonic() - self._started, 3),
                    }
                )
        if self.lost:
            raise self.lost

    def _print(self, event: Mapping[str, object]) -> None:
        try:
            if not self.lost:
                write_result(json.dumps(event, ensure_ascii=False) + "\n", self._stream)
        except StandardOutputError as error:
            self.lost = error
