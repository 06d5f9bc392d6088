"""The end of a worker: first it takes no more songs, then it stops working on the one in progress."""

from __future__ import annotations

import threading
import time


class Shutdown:
    """State of a worker's end. The first request starts the draining; the second, or the time, stops the work."""

    def __init__(self, drain_s: float = 0.0) -> None:
        self.drain_s = drain_s
        """Seconds that the song in progress has to be finished."""
        self.draining = threading.Event()
        """Take no more songs."""
        self.stop = threading.Event()
        """Release the song in progress. Set only after `draining`."""
        self._began = 0.0

    def request(self) -> None:
        """Begin to drain; at the second call, stop. Safe in a signal handler."""
        if self.draining.is_set():
            self.stop.set()
            return
        self._began = time.monotonic()
        self.draining.set()
        self.check_time()

    def now(self) -> None:
        """Stop without draining."""
        self.draining.set()
        self.stop.set()

    def check_time(self) -> None:
        """Stop if the time for draining is over."""
        if self.draining.is_set() and time.monotonic() - self._began >= self.drain_s:
            self.stop.set()
