"""What all sessions together are doing, read once for many who ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unbraid.jobs.estimates import Rates, seconds_left, seconds_of, waiting_times
from unbraid.jobs.ports import QueueView
from unbraid.jobs.session import Session, State

Clock = Callable[[], float]
"""Seconds since 1970."""

FRESH_S = 1.0

# A longer queue than this isn't read to its end: estimates beyond are too low, which hours from now matters little.
LONGEST_QUEUE = 500
# Completed sessions that tell how fast this machine is.
COMPLETED = 50


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """As it was at one time."""

    at: float
    rates: Rates
    places: Mapping[str, int]
    """Of those that wait, by id: how many are before them."""
    begins: Sequence[float]
    """Seconds until work begins, by place."""

    @classmethod
    def read(cls, jobs: QueueView, now: float) -> QueueSnapshot:
        """As it is now."""
        waiting = jobs.pending(LONGEST_QUEUE)
        rates = Rates(jobs.completed(COMPLETED))
        places = {session.id: place for place, session in enumerate(waiting)}
        return cls(now, rates, places, waiting_times(jobs.in_progress(), waiting, now, rates))

    def eta(self, session: Session, now: float) -> float | None:
        """Seconds until `session` is done; None: not known, or nothing to wait for."""
        if session.state == State.IN_PROGRESS:
            return seconds_left(session, now, self.rates)
        own = seconds_of(session, self.rates)
        if session.state != State.PENDING or own is None:
            return None
        place = self.places.get(session.id, len(self.begins))  # behind them all, if it came later
        begins = [*self.begins, max(self.begins, default=0.0)][place]
        return max(begins - (now - self.at), 0.0) + own


class QueueSnapshots:
    """The board, read anew when it is a second old. Safe for threads."""

    def __init__(self, jobs: QueueView, clock: Clock) -> None:
        self._jobs, self._clock = jobs, clock
        self._board: QueueSnapshot | None = None
        self._reading = threading.Lock()

    def fresh(self) -> QueueSnapshot:
        """At most a second old, or a little more while another thread is reading the next."""
        board = self._board
        if board is not None and 0 <= self._clock() - board.at < FRESH_S:
            return board
        if not self._reading.acquire(blocking=board is None):
            assert board is not None
            return board
        try:
            if self._board is board:  # nobody else has read it while this thread waited
                self._board = QueueSnapshot.read(self._jobs, self._clock())
            assert self._board is not None
            return self._board
        finally:
            self._reading.release()
