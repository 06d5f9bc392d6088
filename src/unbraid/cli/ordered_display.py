"""Show songs that overlap: progress of one song at a time, outcomes in the order of the songs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from unbraid.cli.messages import about, clock, say
from unbraid.cli.progress import Display
from unbraid.errors import Cancelled, UnbraidError

if TYPE_CHECKING:
    from unbraid.separation import Progress, Result

Song = str | os.PathLike[str]


class OrderedDisplay:
    """Shows the progress of overlapping `songs` on `display`, and the outcome of each. Thread-safe.

    A song is shown once its network runs. While it is only being read, it is shown if no other song is under way.
    """

    def __init__(self, display: Display, count: int, songs: Iterable[Song] = ()) -> None:
        self._display, self._count = display, count
        self._lock = Lock()
        self._waiting = deque(songs)
        self._shown, self._finished = 0, 0
        self._latest: Progress | None = None

    def add(self, song: Song) -> None:
        """Add the next song to those that aren't finished."""
        with self._lock:
            self._waiting.append(song)

    def update(self, song: Song, progress: Progress) -> None:
        """Show the progress of `song`, if it is the song to show."""
        with self._lock:
            # If the same file was given twice, the first one that isn't finished.
            number = self._finished + self._waiting.index(song) + 1
            is_next = number == self._finished + 1
            if number > self._shown and (is_next or progress.stage != "analysing"):
                self._shown = number
                name = Path(song).name or str(song)
                self._display.start(name, number, self._count, progress.fraction)
            if number == self._shown:
                self._latest = progress
                self._display.update(progress)

    def finish(self, song: Song, outcome: Result | UnbraidError, *, silent: bool = False) -> None:
        """Print the files or the error of `song`, the next in order. `silent`: only count it."""
        with self._lock:
            self._finished += 1
            self._waiting.popleft()
            if silent:
                return
            self._display.clear()
            if not isinstance(outcome, UnbraidError):
                for warning in outcome.warnings:  # also with --quiet: sound of the song may be missing
                    say(about(song, warning, "warning: "))
                self._display.done(_summary(outcome))
            elif not isinstance(outcome, Cancelled):
                say(about(song, outcome))
            if self._latest and self._shown > self._finished:
                self._display.update(self._latest)


def _summary(result: Result) -> str:
    """One line: `out/song: vocals and no_vocals, 120 BPM, A minor (3.2 s, 60.1 x real time)`.

    Also by how much stems were lowered.
    """
    *others, last = result.files
    names = f"{', '.join(others)} and {last}" if others else last
    folder = os.path.commonpath([path.parent for path in result.files.values()])
    time = f"{result.seconds:.1f} s" if result.seconds < 60 else clock(result.seconds)
    level = (
        f", lowered by {result.lowered_db:.1f} dB to prevent clipping" if result.lowered_db >= 0.05 else ""
    )
    for stem, second in result.then.items():
        if second.lowered_db >= 0.05:
            level += f", parts of {stem} by {second.lowered_db:.1f} dB"
    music = "" if result.bpm is None else f", {result.bpm:g} BPM"
    music += "" if result.key is None else f", {result.key}"
    return f"{folder}: {names}{level}{music} ({time}, {result.duration_s / result.seconds:.1f} x real time)"
