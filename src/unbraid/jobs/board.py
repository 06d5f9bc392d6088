"""What all sessions together are doing, read once for many who ask."""

from __future__ import annotations

from dataclasses import dataclass

from unbraid.jobs.estimates import Rates, eta
from unbraid.jobs.ports import JobStore
from unbraid.jobs.session import Session

# A longer queue than this isn't read to its end: estimates beyond are too low, which hours from now matters little.
LONGEST_QUEUE = 500
# Completed sessions that tell how fast this machine is.
COMPLETED = 50


@dataclass(frozen=True, slots=True)
class Board:
    """As it was at one time."""

    at: float
    working: tuple[Session, ...]
    waiting: tuple[Session, ...]
    """In the order of the queue."""
    rates: Rates

    @classmethod
    def read(cls, jobs: JobStore, now: float) -> Board:
        """As it is now."""
        return cls(
            now,
            tuple(jobs.in_progress()),
            tuple(jobs.pending(LONGEST_QUEUE)),
            Rates(jobs.completed(COMPLETED)),
        )

    def eta(self, session: Session, now: float) -> float | None:
        """Seconds until `session` is done; None: not known, or nothing to wait for."""
        return eta(session, now, self.rates, self.working, self.waiting)
