"""Limits for each client: windows, messages and records."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from unbraid.errors import LimitReached
from unbraid.jobs.ports import Count
from unbraid.jobs.use import UseLimits
from unbraid.local.counters import MemoryCounters

HOUR = 3600 * 500_000.0
"""The beginning of an hour."""


class Clock:
    """A clock that the test sets."""

    now = HOUR

    def __call__(self) -> float:
        return self.now


class Recorded(MemoryCounters):
    """Counters that record what they are given."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.given: list[tuple[str, list[str], float]] = []

    def add(self, record: str, counts: Sequence[Count], expires_at: float) -> frozenset[str]:
        self.given.append((record, [each.counter for each in counts], expires_at))
        return super().add(record, counts, expires_at)


def limits(clock: Clock, songs: int | None = 3, calls: int | None = None) -> UseLimits:
    return UseLimits(MemoryCounters(clock), songs, calls, clock)


def test_songs_are_limited_until_the_next_hour() -> None:
    ours = limits(clock := Clock())
    clock.now = HOUR + 1200.5
    ours.take("anna", "uploads", 2)
    ours.take("anna", "uploads", 1)
    with pytest.raises(LimitReached) as refused:
        ours.take("anna", "uploads", 1)
    assert refused.value.message == "Each user may upload 3 songs an hour. Try again in 40 minutes."
    assert refused.value.retry_after_s == 2400
    clock.now += refused.value.retry_after_s
    ours.take("anna", "uploads", 3)
    with pytest.raises(LimitReached):
        ours.take("anna", "uploads", 1)


def test_a_client_takes_nothing_from_another() -> None:
    ours = limits(Clock())
    ours.take("anna", "uploads", 3)
    ours.take("bert", "uploads", 3)


def test_uploads_and_starts_are_counted_apart() -> None:
    ours = limits(Clock())
    ours.take("anna", "uploads", 3)
    ours.take("anna", "starts", 3)
    with pytest.raises(LimitReached, match="may start 3 songs"):
        ours.take("anna", "starts", 1)


def test_calls_are_limited_until_the_next_minute() -> None:
    ours = limits(clock := Clock(), songs=100, calls=2)
    clock.now = HOUR + 59 * 60 + 20
    ours.take("anna", None)
    ours.take("anna", "uploads", 1)
    with pytest.raises(LimitReached) as refused:
        ours.take("anna", None)
    assert refused.value.message == "Too many requests. Try again in 40 seconds."
    assert refused.value.retry_after_s == 40
    clock.now += 40
    ours.take("anna", None)


def test_a_refused_call_counts_nothing() -> None:
    ours = limits(Clock(), songs=3)
    for _ in range(5):
        with pytest.raises(LimitReached):
            ours.take("anna", "uploads", 4)
    ours.take("anna", "uploads", 3)


def test_counters_get_neither_the_client_nor_a_lasting_mark_of_it() -> None:
    counters = Recorded(clock := Clock())
    ours = UseLimits(counters, 10, 10, clock)
    ours.take("192.0.2.7", "uploads", 1)
    clock.now += 3600
    ours.take("192.0.2.7", "uploads", 1)
    (first, names, expires), (second, _, _) = counters.given
    assert "192.0.2.7" not in first and first != second
    assert (names, expires) == (["uploads", "minute0"], HOUR + 3600)


def test_without_limits_nothing_is_counted() -> None:
    counters = Recorded(clock := Clock())
    UseLimits(counters, None, None, clock).take("anna", "uploads", 1000)
    assert counters.given == []
