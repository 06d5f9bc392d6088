"""Lock that lets one song compute at a time, because networks need all cores and most of the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

from unbraid.separation.work_clock import WorkClock

POLL_S = 0.1  # between two checks for cancellation while waiting


class ComputeLock:
    """Reentrant lock for the thread that computes."""

    def __init__(self) -> None:
        self._lock = RLock()
        self.clock = WorkClock()
        """Measures the work on songs; waiting for the lock doesn't count."""

    @contextmanager
    def hold(self, check: Callable[[], None]) -> Iterator[None]:
        """Hold the lock. `check` may raise to end the wait for it."""
        with self.clock.paused():
            while not self._lock.acquire(timeout=POLL_S):
                check()
        try:
            yield
        finally:
            self._lock.release()
