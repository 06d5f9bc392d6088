"""Show the progress of a song: a bar on a terminal, lines of text elsewhere, or nothing."""

from __future__ import annotations

import math
import os
import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Protocol, TextIO

from unbraid.cli.messages import clock, printable
from unbraid.cli.streams import write_message

if TYPE_CHECKING:
    from unbraid.separation.progress import Progress

REDRAW_S = 0.1  # ten times a second looks steady and costs almost nothing
LINES = 10  # lines of text for a song
LINE_APART_S = 1.0  # shortest time between two lines, so that a short song prints few
SETTLED = 0.04  # share of the work before which the estimate of the time left jumps
SHORTEST_BAR = 8  # columns
SHORTEST_NAME = 10  # columns


class Display(Protocol):
    """Shows the progress of one song at a time."""

    def start(self, name: str, number: int, count: int, done: float = 0.0) -> None:
        """Show song `number` (from 1) of `count`. `done` is the completed fraction of its work."""

    def update(self, progress: Progress) -> None:
        """Show the progress of the song."""

    def clear(self) -> None:
        """Erase the bar before a line of text is printed."""

    def done(self, text: str) -> None:
        """Print `text` for the finished song."""


def choose_display(quiet: bool) -> Display:
    """Choose the display for standard error."""
    if quiet:
        return Silence()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(sys.stderr, colour=not os.environ.get("NO_COLOR"))
    return Lines(sys.stderr)


class Silence:
    """Shows nothing."""

    def start(self, name: str, number: int, count: int, done: float = 0.0) -> None:
        """See Display."""

    def update(self, progress: Progress) -> None:
        """See Display."""

    def clear(self) -> None:
        """See Display."""

    def done(self, text: str) -> None:
        """See Display."""


class Meter:
    """Estimates time left and speed. `done` is the fraction of the work completed before the meter started."""

    def __init__(self, done: float = 0.0) -> None:
        self._started, self._done = time.monotonic(), done

    def read(self, progress: Progress) -> tuple[str, str]:
        """Return time left ("0:12") and speed ("14.2"), both empty until they can be estimated."""
        elapsed, gained = time.monotonic() - self._started, progress.fraction - self._done
        if gained < SETTLED or not progress.seconds_total or elapsed <= 0:
            return "", ""
        left = elapsed * (1 - progress.fraction) / gained
        return clock(left), f"{gained * progress.seconds_total / elapsed:.1f}"


class Lines:
    """Prints a line when a song starts, one for about every tenth of it, and one at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def start(self, name: str, number: int, count: int, done: float = 0.0) -> None:
        """See Display."""
        self._name = printable(name)
        self._meter = Meter(done)
        self._next, self._written = math.floor(done * LINES) + 1, time.monotonic()
        self._write(f"{self._name}: started" + (f", song {number} of {count}" if count > 1 else ""))

    def update(self, progress: Progress) -> None:
        """See Display."""
        now = time.monotonic()
        part = math.floor(progress.fraction * LINES)
        if self._next <= part < LINES and now - self._written >= LINE_APART_S:
            self._next, self._written = part + 1, now
            left, speed = self._meter.read(progress)
            details = f", {left} left, {speed} x real time" if left else ""
            self._write(f"{self._name}: {progress.fraction:.0%}{details}")

    def clear(self) -> None:
        """See Display."""

    def done(self, text: str) -> None:
        """See Display."""
        self._write(printable(text))

    def _write(self, line: str) -> None:
        write_message(line + "\n", self._stream)


class Bar:
    """Draws `2/10 song.mp3 ━━━━━━━━━━━━──────────  45%  0:12 left  14.2×`, as wide as the terminal.

    `unit` is the unit of the speed; None for multiples of real time.
    """

    def __init__(self, stream: TextIO, colour: bool, unit: str | None = None) -> None:
        self._stream = stream
        self._colour = colour
        try:
            "━─×…".encode(stream.encoding)
            self._full, self._empty, self._unit, self._cut = "━", "─", "×", "…"
        except UnicodeEncodeError:
            self._full, self._empty, self._unit, self._cut = "#", "-", "x", "~"
        self._unit = unit or self._unit

    def start(self, name: str, number: int, count: int, done: float = 0.0) -> None:
        """See Display."""
        self._name = printable(name)
        self._count = f"{number}/{count} " if count > 1 else ""
        self._meter = Meter(done)
        self._drawn = 0.0
        self._write(self._line(done, "", ""))

    def update(self, progress: Progress) -> None:
        """See Display."""
        now = time.monotonic()
        if now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._write(self._line(progress.fraction, *self._meter.read(progress)))

    def clear(self) -> None:
        """See Display."""
        self._drawn = 0.0
        self._write("")

    def done(self, text: str) -> None:
        """See Display."""
        self._write(printable(text) + "\n")

    def _write(self, text: str) -> None:
        # Return to the first column, write, and erase the rest of the line.
        line = f"\r{text}\x1b[K" if not text.endswith("\n") else f"\r\x1b[K{text}"
        write_message(line, self._stream)

    def _line(self, fraction: float, left: str, speed: str) -> str:
        # Two columns for the "^C" that the terminal prints, and one because some terminals wrap in the last column.
        free = _columns(self._stream) - 3
        numbers = f" {fraction:4.0%}"
        if left:
            numbers += f"  {left:>5} left  {speed:>5}{self._unit}"
        elif free > 40:
            numbers += " " * (20 + len(self._unit))  # keeps the length of the bar when the numbers appear
        free -= len(self._count) + len(numbers)
        if free < SHORTEST_NAME:
            return f"{fraction:4.0%}"
        name = shorten(self._name, max(SHORTEST_NAME, min(free - SHORTEST_BAR - 1, free // 2)), self._cut)
        length = free - width(name) - 1
        if length < SHORTEST_BAR:
            return f"{self._count}{name}{numbers}"
        filled = round(length * fraction)
        full, empty = self._full * filled, self._empty * (length - filled)
        bar = f"\x1b[36m{full}\x1b[2m{empty}\x1b[0m" if self._colour else full + empty
        return f"{self._count}{name} {bar}{numbers}"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def width(text: str) -> int:
    """Count the columns of `text` on a terminal: two for East Asian wide characters, none for combining marks."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, columns: int, mark: str = "…") -> str:
    """Shorten `text` to `columns`, with `mark` instead of its middle: names often differ only at the end."""
    if width(text) <= columns:
        return text
    front, back = "", ""
    free = columns - width(mark)
    for character in text:
        if width(front + character) > (free + 1) // 2:
            break
        front += character
    for character in reversed(text):
        if width(front + character + back) > free:
            break
        back = character + back
    return front + mark + back
