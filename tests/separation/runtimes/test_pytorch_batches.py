"""Concurrent calls form batches that fit into memory."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from unbraid.audio.arrays import Floats
from unbraid.separation.runtimes.pytorch_batches import Batches

TIMEOUT_S = 30


class Doubling:
    """Double its input. The first batch waits for `go_on`, so that other calls queue up."""

    def __init__(self) -> None:
        self.started, self.go_on = Event(), Event()
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, items: Floats) -> Floats:
        self.shapes.append(items.shape)
        if len(self.shapes) == 1:
            self.started.set()
            assert self.go_on.wait(TIMEOUT_S)
        return 2 * items


def run_concurrently(batches: Batches, compute: Doubling, calls: list[Floats]) -> list[Floats]:
    """Run `calls` in threads; all but the first arrive, in order, while the first is computed."""
    with ThreadPoolExecutor(len(calls)) as pool:
        first = pool.submit(batches.run, calls[0])
        assert compute.started.wait(TIMEOUT_S)
        others: list[Future[Floats]] = []
        for number, call in enumerate(calls[1:], 1):
            others.append(pool.submit(batches.run, call))
            while len(batches._waiting) < number:
                pass
        compute.go_on.set()
        return [answer.result(TIMEOUT_S) for answer in (first, *others)]


def items(count: int, samples: int = 3, start: float = 0.0) -> Floats:
    return start + np.arange(count * samples, dtype=np.float32).reshape(count, samples)


def test_waiting_calls_form_the_next_batch() -> None:
    compute = Doubling()
    calls = [items(1, start=10 * number) for number in range(6)]
    answers = run_concurrently(Batches(compute, 3), compute, calls)
    assert [shape[0] for shape in compute.shapes] == [1, 3, 2]
    for call, answer in zip(calls, answers, strict=True):
        assert np.array_equal(answer, 2 * call)


def test_batch_has_items_of_one_shape() -> None:
    compute = Doubling()
    calls = [items(1), items(2), items(1), items(1, 5), items(1)]
    answers = run_concurrently(Batches(compute, 8), compute, calls)
    assert compute.shapes == [(1, 3), (3, 3), (1, 5), (1, 3)]
    for call, answer in zip(calls, answers, strict=True):
        assert np.array_equal(answer, 2 * call)


def test_large_call_is_split() -> None:
    compute = Doubling()
    compute.go_on.set()
    assert np.array_equal(Batches(compute, 4).run(items(9)), 2 * items(9))
    assert [shape[0] for shape in compute.shapes] == [4, 4, 1]


def test_batches_are_halved_until_they_fit() -> None:
    sizes = []

    def compute(batch: Floats) -> Floats:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise MemoryError
        return 2 * batch

    batches = Batches(compute, 8)
    assert np.array_equal(batches.run(items(8)), 2 * items(8))
    assert np.array_equal(batches.run(items(5)), 2 * items(5))
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 1]


def test_error_reaches_every_call_of_its_batch_and_no_other() -> None:
    waiting = Doubling()

    def compute(batch: Floats) -> Floats:
        if np.isnan(batch).any():
            raise ValueError("not a number")
        return waiting(batch)

    batches = Batches(compute, 2)
    bad = np.full((1, 3), np.nan, np.float32)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batches.run, items(1))
        assert waiting.started.wait(TIMEOUT_S)
        later = []
        for number, call in enumerate((items(1), bad, items(1)), 1):
            later.append(pool.submit(batches.run, call))
            while len(batches._waiting) < number:
                pass
        waiting.go_on.set()
        assert np.array_equal(first.result(TIMEOUT_S), 2 * items(1))
        for answer in later[:2]:
            with pytest.raises(ValueError, match="not a number"):
                answer.result(TIMEOUT_S)
        assert np.array_equal(later[2].result(TIMEOUT_S), 2 * items(1))


def test_single_item_that_does_not_fit_raises_memory_error() -> None:
    def compute(batch: Floats) -> Floats:
        raise MemoryError("full")

    with pytest.raises(MemoryError, match="full"):
        Batches(compute, 4).run(items(4))
