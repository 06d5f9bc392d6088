"""How far a song is: a bar that is drawn over itself on a terminal, plain lines anywhere else, or nothing."""

from __future__ import annotations

import math
import os
import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Protocol, TextIO

from unbraid.cli.messages import clock, printable

if TYPE_CHECKING:
    from unbraid.separation.progress import Progress

REDRAW_S = 0.1  # ten pictures a second look steady and cost nothing
LINES = 10  # for a song, where lines are plain,
LINE_APART_S = 1.0  # but one that is done in a moment needs none
SETTLED = 0.04  # share of the work after which the time left is no longer a guess
SHORTEST_BAR = 8  # columns
SHORTEST_NAME = 10  # columns


class Display(Protocol):
    """Shows one song after the other."""

    def start(self, name: str, number: int, count: int, done: float = 0.0) -> None:
        """Song `number` (from 1) of `count` is shown from now on; the share `done` of its work was done before."""

    def update(self, progress: Progress) -> None:
        """It got further."""

    def clear(self) -> None:
        """Make way for a line of text."""

    def done(self, text: str) -> None:
        """It is finished; `text` says what came of it."""


def choose_display(quiet: bool) -> Display:
    """What suits standard error, as the user wants it."""
    if quiet:
        return Silence()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(sys.stderr, colour=not os.environ.get("NO_COLOR"))
    return Lines(sys.stderr)


class Silence:
    """Nothing at all."""

    def start(self, name: str, number: int, count: int, done: float = 0.0) -> None:
        """See Display."""

    def update(self, progress: Progress) -> None:
        """See Display."""

    def clear(self) -> None:
        """See Display."""

    def done(self, text: str) -> None:
        """See Display."""


class Meter:
    """Time left and speed of the song that is under way, of which the share `done` was done before."""

    def __init__(self, done: float = 0.0) -> None:
        self._started, self._done = time.monotonic(), done

    def read(self, progress: Progress) -> tuple[str, str]:
        """Time left ("0:12") and speed ("14.2"), both empty while they can't be known."""
        elapsed, gained = time.monotonic() - self._started, progress.fraction - self._done
        if gained < SETTLED or not progress.seconds_total or elapsed <= 0:
            return "", ""
        left = elapsed * (1 - progress.fraction) / gained
        return clock(left), f"{gained * progress.seconds_total / elapsed:.1f}"


class Lines:
    """A line when a song starts, one for about every tenth of it, and one when it is done."""

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
        self._stream.write(line + "\n")
        self._stream.flush()


class Bar:
    """`2/10 song.mp3 ━━━━━━━━━━━━──────────  45%  0:12 left  14.2×`, as wide as the terminal allows.

    `unit` is what the speed is counted in; None: as above.
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
        # Back to the first column, and erase what the text doesn't cover.
        self._stream.write(f"\r{text}\x1b[K" if not text.endswith("\n") else f"\r\x1b[K{text}")
        self._stream.flush()

    def _line(self, fraction: float, left: str, speed: str) -> str:
        # Room for the "^C" that the terminal itself prints, and none in the last column, where some terminals wrap.
        room = _columns(self._stream) - 3
        numbers = f" {fraction:4.0%}"
        if left:
            numbers += f"  {left:>5} left  {speed:>5}{self._unit}"
        elif room > 40:
            numbers += " " * (20 + len(self._unit))  # so that the bar keeps its length when they come
        room -= len(self._count) + len(numbers)
        if room < SHORTEST_NAME:
            return f"{fraction:4.0%}"
        name = shorten(self._name, max(SHORTEST_NAME, min(room - SHORTEST_BAR - 1, room // 2)), self._cut)
        length = room - width(name) - 1
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
    """Columns that `text` takes on a terminal: two for East Asian wide characters, none for combining marks."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, columns: int, mark: str = "…") -> str:
    """`text` in at most `columns`, with `mark` for its middle where it is longer: both ends tell songs apart."""
    if width(text) <= columns:
        return text
    front, back = "", ""
    room = columns - width(mark)
    for character in text:
        if width(front + character) > (room + 1) // 2:
            break
        front += character
    for character in reversed(text):
        if width(front + character + back) > room:
            break
        back = character + back
    return front + mark + back
