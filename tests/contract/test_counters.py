"""Contract of all Counters."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.simulators.moto_server import USAGE_TABLE, new_table

from unbraid.aws.counters import DynamoCounters
from unbraid.jobs.ports import Count, Counters
from unbraid.local.counters import MemoryCounters

SOON = time.time() + 3600
ADDED: frozenset[str] = frozenset()


@pytest.fixture(params=["memory", "dynamodb"])
def counters(request: pytest.FixtureRequest) -> Counters:
    if request.param == "memory":
        return MemoryCounters()
    request.getfixturevalue("aws")
    return DynamoCounters(new_table(USAGE_TABLE))


def test_counts_up_to_the_largest_value(counters: Counters) -> None:
    assert counters.add("a", [Count("songs", 3, 5)], SOON) == ADDED
    assert counters.add("a", [Count("songs", 3, 5)], SOON) == {"songs"}
    assert counters.add("a", [Count("songs", 2, 5)], SOON) == ADDED
    assert counters.add("a", [Count("songs", 1, 5)], SOON) == {"songs"}


def test_refuses_a_first_amount_above_the_largest_value(counters: Counters) -> None:
    assert counters.add("a", [Count("songs", 6, 5)], SOON) == {"songs"}
    assert counters.add("a", [Count("songs", 5, 5)], SOON) == ADDED


def test_adds_to_all_counters_or_to_none(counters: Counters) -> None:
    both = [Count("songs", 1, 2), Count("calls", 1, 1)]
    assert counters.add("a", both, SOON) == ADDED
    assert counters.add("a", both, SOON) == {"calls"}
    assert counters.add("a", [Count("songs", 1, 2)], SOON) == ADDED
    assert counters.add("a", both, SOON) == {"songs", "calls"}


def test_records_are_apart(counters: Counters) -> None:
    assert counters.add("a", [Count("songs", 1, 1)], SOON) == ADDED
    assert counters.add("b", [Count("songs", 1, 1)], SOON) == ADDED
    assert counters.add("a", [Count("songs", 1, 1)], SOON) == {"songs"}


def test_a_hundred_parallel_calls_count_exactly(counters: Counters) -> None:
    """Of 100 calls of one client, exactly 60 fit, while another client has all of its own."""

    def call(number: int) -> tuple[str, bool]:
        client = "busy" if number % 5 else "other"
        return client, counters.add(client, [Count("songs", 1, 60)], SOON) == ADDED

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(call, range(125)))
    assert answers.count(("busy", True)) == 60
    assert answers.count(("busy", False)) == 40
    assert answers.count(("other", True)) == 25


def test_memory_holds_only_records_that_have_not_expired() -> None:
    now = 1000.0
    counters = MemoryCounters(lambda: now)
    for number in range(100):
        counters.add(str(number), [Count("songs", 1, 1)], now + 10)
    counters.add("later", [Count("songs", 1, 1)], now + 20)
    now += 10
    assert counters.add("0", [Count("songs", 1, 1)], now + 10) == ADDED
    assert len(counters) == 2
    assert counters.add("later", [Count("songs", 1, 1)], now + 10) == {"songs"}
