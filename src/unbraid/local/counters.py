"""Counters in the memory of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unbraid.jobs.ports import Count


@dataclass(slots=True)
class _Record:
    expires_at: float
    values: dict[str, int] = field(default_factory=dict)


class MemoryCounters:
    """The Counters (see `jobs.ports`) of a server that is one process. A restart forgets them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        self._next_expiry = float("inf")
        self._lock = threading.Lock()

    def add(self, record: str, counts: Sequence[Count], expires_at: float) -> frozenset[str]:
        with self._lock:
            self._drop_expired()
            values = self._records.setdefault(record, _Record(expires_at)).values
            self._next_expiry = min(self._next_expiry, expires_at)
            full = frozenset(
                each.counter for each in counts if values.get(each.counter, 0) + each.amount > each.most
            )
            if not full:
                for each in counts:
                    values[each.counter] = values.get(each.counter, 0) + each.amount
            return full

    def _drop_expired(self) -> None:
        now = self._clock()
        if now >= self._next_expiry:
            self._records = {key: one for key, one in self._records.items() if one.expires_at > now}
            self._next_expiry = min((one.expires_at for one in self._records.values()), default=float("inf"))

    def __len__(self) -> int:
        return len(self._records)
