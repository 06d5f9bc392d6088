"""A snapshot of the whole queue, read once for many requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unbraid.jobs.available import AvailableModels
from unbraid.jobs.estimates import Rates, seconds_left, seconds_of, waiting_times
from unbraid.jobs.ports import QueueView
from unbraid.jobs.queue_order import queue_order
from unbraid.jobs.session import Session, State

Clock = Callable[[], float]
"""Seconds since 1970."""

FRESH_S = 1.0

# A longer queue isn't read to its end. Places and estimates of later songs are too low; hours ahead, that matters
# little.
LONGEST_QUEUE = 500
# Completed sessions to read, for measuring the speed of this machine.
COMPLETED = 50


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a session still takes, in estimated seconds. All are None for a session that isn't active."""

    eta_s: float | None = None
    """Until the session is done; None: unknown."""
    begins_s: float | None = None
    """Until the work begins; None unless the session is PENDING."""
    position: int | None = None
    """Place in the queue, from 1; None unless the session is PENDING."""


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The queue at one time."""

    at: float
    """Time of the snapshot."""
    rates: Rates
    places: Mapping[str, int]
    """Number of sessions ahead of each waiting session, by id."""
    begins: Sequence[float]
    """Estimated seconds until work begins, by place."""

    @classmethod
    def read(cls, jobs: QueueView, now: float, available: AvailableModels) -> QueueSnapshot:
        """Read the current queue."""
        waiting = queue_order(jobs.pending(LONGEST_QUEUE))
        rates = Rates(jobs.completed(COMPLETED), available=available)
        places = {session.id: place for place, session in enumerate(waiting)}
        return cls(now, rates, places, waiting_times(jobs.in_progress(), waiting, now, rates))

    def wait(self, session: Session, now: float) -> Wait:
        """Estimate how long `session` still takes."""
        if session.state == State.IN_PROGRESS:
            return Wait(seconds_left(session, now, self.rates))
        if session.state != State.PENDING:
            return Wait()
        place = self.places.get(session.id, len(self.begins))  # a session queued later is behind them all
        begins_s = [*self.begins, max(self.begins, default=0.0)][place]
        begins_s = max(begins_s - (now - self.at), 0.0)
        own_s = seconds_of(session, self.rates)
        return Wait(None if own_s is None else begins_s + own_s, begins_s, 1 + place)


class QueueSnapshots:
    """Caches the snapshot for a second. Thread-safe."""

    def __init__(self, jobs: QueueView, clock: Clock, available: AvailableModels) -> None:
        self._jobs, self._clock, self._available = jobs, clock, available
        self._latest: QueueSnapshot | None = None
        self._reading = threading.Lock()

    def fresh(self) -> QueueSnapshot:
        """Return a snapshot at most a second old, or slightly older while another thread reads the next one."""
        latest = self._latest
        if latest is not None and 0 <= self._clock() - latest.at < FRESH_S:
            return latest
        if not self._reading.acquire(blocking=latest is None):
            assert latest is not None
            return latest
        try:
            if self._latest is latest:  # no other thread has read it in the meantime
                self._latest = QueueSnapshot.read(self._jobs, self._clock(), self._available)
            assert self._latest is not None
            return self._latest
        finally:
            self._reading.release()
