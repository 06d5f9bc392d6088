"""Songs that are separated at the same time take turns: the networks of one have the machine and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

LOOK_S = 0.1  # between two looks at whether a song that waits was cancelled


class Turns:
    """Whose networks may compute: one thread's at a time. A thread that has its turn may take it again."""

    def __init__(self) -> None:
        self._lock = RLock()

    @contextmanager
    def take(self, check: Callable[[], None]) -> Iterator[float]:
        """Have the turn inside; gives the seconds waited for it. `check` ends the waiting by raising."""
        started = time.monotonic()
        while not self._lock.acquire(timeout=LOOK_S):
            check()
        try:
            yield time.monotonic() - started
        finally:
            self._lock.release()
