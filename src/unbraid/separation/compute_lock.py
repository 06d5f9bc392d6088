"""One song's networks compute at a time: they need all cores and most of the memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

POLL_S = 0.1  # between two checks whether the waiting song was cancelled


class ComputeLock:
    """Lock of the thread whose networks compute. A thread that holds it may take it again."""

    def __init__(self) -> None:
        self._lock = RLock()

    @contextmanager
    def hold(self, check: Callable[[], None]) -> Iterator[float]:
        """Hold the lock inside; yields the seconds spent waiting. `check` ends the wait by raising."""
        started = time.monotonic()
        while not self._lock.acquire(timeout=POLL_S):
            check()
        try:
            yield time.monotonic() - started
        finally:
            self._lock.release()
