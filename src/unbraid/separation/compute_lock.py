"""Lock that lets one song compute at a time, because networks need all cores and most of the memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

POLL_S = 0.1  # between two checks for cancellation while waiting


class ComputeLock:
    """Reentrant lock for the thread that computes."""

    def __init__(self) -> None:
        self._lock = RLock()

    @contextmanager
    def hold(self, check: Callable[[], None]) -> Iterator[float]:
        """Hold the lock and yield the seconds spent waiting for it. `check` may raise to end the wait."""
        started = time.monotonic()
        while not self._lock.acquire(timeout=POLL_S):
            check()
        try:
            yield time.monotonic() - started
        finally:
            self._lock.release()
