"""Show the download of a model: a bar on a terminal, lines of text elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from unbraid.cli.messages import clock, printable, say
from unbraid.cli.progress import LINE_APART_S, LINES, REDRAW_S, Bar
from unbraid.cli.streams import write_message

SETTLED_S = 1.0  # before that, the estimate of the time left jumps


def can_draw() -> bool:
    """Whether standard error is a terminal that can show a bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class DownloadDisplay:
    """Shows one download on standard error. `update` and `notice` are callbacks for `unbraid.models.find_model`.

    Nothing is shown before the first `update`: most models are downloaded already.
    """

    def __init__(self, name: str, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: _Bar | _Lines | None = None
        self._name = name
        self._started_s, self._started_at = 0.0, 0

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes have arrived."""
        if self._quiet:
            return
        if self._bar is None:
            self._started_s, self._started_at = time.monotonic(), done
            if can_draw():
                self._bar = _Bar(self._name)
            else:
                self._bar = _Lines(sys.stderr, self._name, total)
        elapsed = time.monotonic() - self._started_s
        speed = (done - self._started_at) / elapsed if elapsed > SETTLED_S else 0.0
        left = clock((total - done) / speed) if speed else ""
        self._bar.show(done / total if total else 0.0, left, f"{speed / 1e6:.1f}" if speed else "")

    def notice(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            self.clear()
            say(text)

    def clear(self) -> None:
        """Erase the bar before other text is printed. The next `update` starts a new one."""
        if self._bar is not None:
            self._bar.clear()
        self._bar = None


class _Bar(Bar):
    """`htdemucs ━━━━━━━━━━━━──────────  45%  0:12 left   5.2 MB/s`."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr, colour=not os.environ.get("NO_COLOR"), unit=" MB/s")
        self.start(name, 1, 1)

    def show(self, fraction: float, left: str, speed: str) -> None:
        """Draw the bar, at most every REDRAW_S seconds."""
        now = time.monotonic()
        if now - self._drawn >= REDRAW_S or fraction >= 1:
            self._drawn = now
            self._write(self._line(fraction, left, speed))


class _Lines:
    """Prints a line at the start, and one for about every tenth of a slow download."""

    def __init__(self, stream: TextIO, name: str, total: int) -> None:
        self._stream = stream
        self._name = printable(name)
        self._next, self._written = 1, time.monotonic()
        self._write(f"{self._name}: downloading {total / 1e6:.1f} MB")

    def show(self, fraction: float, left: str, speed: str) -> None:
        """Print a line for each tenth, at most every LINE_APART_S seconds."""
        now = time.monotonic()
        part = int(fraction * LINES)
        if self._next <= part < LINES and now - self._written >= LINE_APART_S:
            self._next, self._written = part + 1, now
            details = f", {left} left, {speed} MB/s" if left else ""
            self._write(f"{self._name}: {fraction:.0%}{details}")

    def clear(self) -> None:
        """Do nothing: printed lines stay."""

    def _write(self, line: str) -> None:
        write_message(line + "\n", self._stream)
