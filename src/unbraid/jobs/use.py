"""Limits for each client: songs an hour and calls a minute.

Both are counted from the beginning of the hour and of the minute, so a client may use twice as much around a full hour.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from unbraid.errors import LimitReached
from unbraid.jobs.limits import HOUR
from unbraid.jobs.ports import Count, Counters

MINUTE = 60

Action = Literal["uploads", "starts"]
"""How songs are used. Each action has a counter, so that a song counts once in each."""


@dataclass(frozen=True, slots=True)
class UseLimits:
    """The limits of each client; None: no limit."""

    counters: Counters
    songs_per_hour: int | None
    calls_per_minute: int | None = None
    clock: Callable[[], float] = time.time

    def take(self, client: str, action: Action | None, songs: int = 0) -> None:
        """Count one call of a client, which uploads or starts so many songs. Raises LimitReached, and counts nothing.

        `client` is the user or the network address. Only a hash of it with the hour is passed to the counters.
        """
        now = self.clock()
        hour = int(now // HOUR)
        counts = []
        if self.songs_per_hour is not None and action is not None:
            counts.append(Count(action, songs, self.songs_per_hour))
        if self.calls_per_minute is not None:
            counts.append(Count(f"minute{int(now // MINUTE) % 60}", 1, self.calls_per_minute))
        if not counts:
            return
        record = hashlib.sha256(f"{hour} {client}".encode()).hexdigest()
        full = self.counters.add(record, counts, expires_at=(hour + 1) * HOUR)
        if action in full:
            wait_s = max(1, math.ceil((hour + 1) * HOUR - now))
            minutes = math.ceil(wait_s / MINUTE)
            raise LimitReached(
                f"Each user may {_VERBS[action]} {self.songs_per_hour} songs an hour. "
                f"Try again in {minutes} minute{'s' * (minutes > 1)}.",
                wait_s,
            )
        if full:
            wait_s = max(1, math.ceil(MINUTE - now % MINUTE))
            raise LimitReached(
                f"Too many requests. Try again in {wait_s} second{'s' * (wait_s > 1)}.", wait_s
            )


_VERBS: dict[str | None, str] = {"uploads": "upload", "starts": "start"}
