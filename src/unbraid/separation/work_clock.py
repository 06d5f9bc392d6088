"""Measure the work on songs that overlap, so that their times add up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Timer:
    """Time of one song; final when the measurement ends."""

    seconds: float = 0.0


class WorkClock:
    """Divides each moment equally among the songs that are worked on. Thread-safe.

    The sum of all timers is the time in which at least one song was worked on. `now` returns seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._running: list[Timer] = []
        self._divided_until = 0.0
        self._of_thread = threading.local()

    @contextmanager
    def measure(self) -> Iterator[Timer]:
        """Measure the work that this thread does in the block."""
        timer, outer = Timer(), self._timer
        self._of_thread.timer = timer
        self._divide(start=timer)
        try:
            yield timer
        finally:
            self._divide(stop=timer)
            self._of_thread.timer = outer

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Don't count the time that this thread spends in the block, which must not measure anything itself."""
        timer = self._timer
        self._divide(stop=timer)
        try:
            yield
        finally:
            self._divide(start=timer)

    @property
    def _timer(self) -> Timer | None:
        """The timer of this thread."""
        return getattr(self._of_thread, "timer", None)

    def _divide(self, *, start: Timer | None = None, stop: Timer | None = None) -> None:
        """Divide the time since the last call among the running timers. Then start and stop timers."""
        with self._lock:
            now = self._now()
            for timer in self._running:
                timer.seconds += (now - self._divided_until) / len(self._running)
            self._divided_until = now
            if start:
                self._running.append(start)
            if stop:
                self._running.remove(stop)
