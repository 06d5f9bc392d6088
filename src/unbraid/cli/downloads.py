"""How far the download of a model is: a bar on a terminal, plain lines anywhere else, or nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from unbraid.cli.messages import clock, printable, say
from unbraid.cli.progress import LINE_APART_S, LINES, REDRAW_S, Bar

SETTLED_S = 1.0  # until then the time left is a guess


class DownloadDisplay:
    """Shows one download on standard error; `update` and `notice` are what `unbraid.models.find_model` takes.

    Nothing is shown before the first `update`, as most models are here already.
    """

    def __init__(self, name: str, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: _Bar | _Lines | None = None
        self._name = name
        self._began_s, self._began_at = 0.0, 0

    def update(self, done: int, total: int) -> None:
        """`done` of `total` bytes are here."""
        if self._quiet:
            return
        if self._bar is None:
            self._began_s, self._began_at = time.monotonic(), done
            if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
                self._bar = _Bar(self._name)
            else:
                self._bar = _Lines(sys.stderr, self._name, total)
        elapsed = time.monotonic() - self._began_s
        speed = (done - self._began_at) / elapsed if elapsed > SETTLED_S else 0.0
        left = clock((total - done) / speed) if speed else ""
        self._bar.show(done / total if total else 0.0, left, f"{speed / 1e6:.1f}" if speed else "")

    def notice(self, text: str) -> None:
        """Say a line."""
        if not self._quiet:
            self.clear()
            say(text)

    def clear(self) -> None:
        """Make way for other text; the next `update` begins anew."""
        if self._bar is not None:
            self._bar.clear()
        self._bar = None


class _Bar(Bar):
    """`htdemucs ━━━━━━━━━━━━──────────  45%  0:12 left   5.2 MB/s`."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr, colour=not os.environ.get("NO_COLOR"), unit=" MB/s")
        self.start(name, 1, 1)

    def show(self, fraction: float, left: str, speed: str) -> None:
        """Draw it, unless it was drawn just now."""
        now = time.monotonic()
        if now - self._drawn >= REDRAW_S or fraction >= 1:
            self._drawn = now
            self._write(self._line(fraction, left, speed))


class _Lines:
    """A line at the beginning, and one for about every tenth of a download that takes its time."""

    def __init__(self, stream: TextIO, name: str, total: int) -> None:
        self._stream = stream
        self._name = printable(name)
        self._next, self._written = 1, time.monotonic()
        self._write(f"{self._name}: downloading {total / 1e6:.1f} MB")

    def show(self, fraction: float, left: str, speed: str) -> None:
        """Write a line if it is time for one."""
        now = time.monotonic()
        part = int(fraction * LINES)
        if self._next <= part < LINES and now - self._written >= LINE_APART_S:
            self._next, self._written = part + 1, now
            details = f", {left} left, {speed} MB/s" if left else ""
            self._write(f"{self._name}: {fraction:.0%}{details}")

    def clear(self) -> None:
        """Lines stay."""

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
