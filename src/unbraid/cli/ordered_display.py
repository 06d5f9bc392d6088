"""Songs overlap: the user sees the one that is being computed, and what came of each in the order of the songs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from unbraid.cli.progress import Display

if TYPE_CHECKING:
    from unbraid.separation.progress import Progress


class OrderedDisplay:
    """Shows one of the songs called `names` on `display`, each from when it is computed. For any number of threads.

    Songs are numbered from 1. One that is only being read is shown if no other is under way.
    """

    def __init__(self, display: Display, names: Sequence[str]) -> None:
        self._display, self._names = display, names
        self._lock = Lock()
        self._shown, self._ended = 0, 0
        self._latest: Progress | None = None

    def update(self, number: int, progress: Progress) -> None:
        """Song `number` got further."""
        with self._lock:
            only = number == self._ended + 1
            if number > self._shown and (only or progress.stage != "analysing"):
                self._shown = number
                self._display.start(self._names[number - 1], number, len(self._names), progress.fraction)
            if number == self._shown:
                self._latest = progress
                self._display.update(progress)

    @contextmanager
    def ended(self, number: int) -> Iterator[None]:
        """Song `number` is through, and all before it are. Inside there is room for lines about it."""
        with self._lock:
            self._ended = number
            self._display.clear()
            yield
            if self._latest and self._shown > number:
                self._display.update(self._latest)
