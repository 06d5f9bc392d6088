"""The heartbeat of a running job: renews its lease, reports progress, and notices when the work has to stop."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from unbraid.errors import Cancelled
from unbraid.jobs.ports import Lease

BEAT_S = 0.8  # so that a job stops within a second after its user cancels it
POLL_S = 0.1  # and sooner after the program has to stop
GRACE_S = 10.0  # after the lease: a renewal that is only late, on a busy machine, often still succeeds

log = logging.getLogger(__name__)


class Heartbeat:
    """Renews the lease in a thread while the context lasts.

    `is_set` becomes true when the work has to stop, for one of three reasons:

    - `stop` is set. The lease is then released immediately, whatever the working thread is doing.
    - The lease is lost, because the job was cancelled, deleted or taken over.
    - The session store has failed for the duration of a lease, or hasn't answered for GRACE_S longer.
    """

    def __init__(self, lease: Lease, stop: threading.Event) -> None:
        self._lease, self._stop = lease, stop
        self._lost = threading.Event()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._answered = time.monotonic()
        self._progress: tuple[float | None, str | None] = (None, None)
        self.duration_s: float | None = None
        """Duration of the song, once known; sent with the next beat."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def is_set(self) -> bool:
        """Return whether the work has to stop."""
        # The time is checked here too, because a call to a store that is cut off may block the thread for longer.
        return self._lost.is_set() or self._stop.is_set() or self._is_overdue(GRACE_S)

    def report(self, progress: float, stage: str) -> None:
        """Record progress (0 to 1) and stage for the next beat. Raises Cancelled when the work has to stop."""
        if self.is_set():
            raise Cancelled
        self._progress = (progress, stage)

    def _is_overdue(self, grace_s: float = 0.0) -> bool:
        return time.monotonic() - self._answered > self._lease.lease_s + grace_s

    def _run(self) -> None:
        lease_s = self._lease.lease_s
        beat_s = min(BEAT_S, lease_s / 3)  # one late beat doesn't lose the lease
        beaten = time.monotonic() - beat_s
        while not self._left.wait(POLL_S):
            now = time.monotonic()
            try:
                if self._stop.is_set():
                    self._lease.release()
                    self._lost.set()
                    return
                if now - beaten >= beat_s:
                    beaten = now
                    if not self._lease.renew_lease(*self._progress, self.duration_s):
                        self._lost.set()
                        return
                    self._answered = now
            except Exception:
                # A database may be away for a moment. After a lease's time another worker may have taken the job.
                log.warning("the session store didn't answer", exc_info=True)
                if self._is_overdue():
                    self._lost.set()
                    return
