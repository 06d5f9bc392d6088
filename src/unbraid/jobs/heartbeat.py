"""The sign of life of a job that is being worked on, and the ear for those who want it to stop."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from unbraid.errors import Cancelled
from unbraid.jobs.service import Service

BEAT_S = 0.8  # whoever cancels a job sees it stop within a second
LISTEN_S = 0.1  # and whoever stops the program sooner

log = logging.getLogger(__name__)


class Heartbeat:
    """While the context lasts, a thread tells `service` that `worker` is alive and how far it is.

    `is_set` becomes true when work is to stop: because `stop` is set, in which case the job is given back at once,
    whatever the working thread is in the middle of; because the job was cancelled, deleted or taken over; or because
    nothing was heard of the service for as long as the job is ours without that.
    """

    def __init__(self, session_id: str, service: Service, worker: str, stop: threading.Event) -> None:
        self._session_id, self._service, self._worker, self._stop = session_id, service, worker, stop
        self._over = threading.Event()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._progress: tuple[float | None, str | None] = (None, None)
        self.duration_s: float | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._over.is_set() or self._stop.is_set()

    def tell(self, progress: float, stage: str) -> None:
        """How far `stage` has brought the job, 0 to 1, for the next beat. Raises Cancelled when work is to stop."""
        if self.is_set():
            raise Cancelled
        self._progress = (progress, stage)

    def _beat(self) -> None:
        lease_s = self._service.limits.lease_s
        beat_s = min(BEAT_S, lease_s / 3)  # so that one may come late
        heard = beaten = time.monotonic() - beat_s
        while not self._left.wait(LISTEN_S):
            now = time.monotonic()
            try:
                if self._stop.is_set():
                    self._service.give_back(self._session_id, self._worker)
                    self._over.set()
                    return
                if now - beaten >= beat_s:
                    beaten = now
                    if not self._service.alive(
                        self._session_id, self._worker, *self._progress, duration_s=self.duration_s
                    ):
                        self._over.set()
                        return
                    heard = now
            except Exception:
                # A database may be away for a moment; what we don't hold any more others may take up.
                log.warning("the session store didn't answer", exc_info=True)
                if now - heard > lease_s:
                    self._over.set()
                    return
