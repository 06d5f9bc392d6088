"""Combine concurrent calls into batches that fit into memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from unbraid.audio.arrays import Floats


class Batches:
    """Run the calls of several threads in batches: calls that arrive during a computation form the next batch.

    No call waits for others to arrive, and there is no background thread to stop.

    `compute` maps a batch (b, …) to a batch (b, …), and is called by one thread at a time. A batch has at most
    `largest` items.
    When `compute` raises MemoryError, the limit becomes half the size of that batch.
    """

    def __init__(self, compute: Callable[[Floats], Floats], largest: int) -> None:
        self.largest = largest
        self._compute = compute
        self._waiting: deque[_Call] = deque()
        self._computing = Lock()

    def run(self, items: Floats) -> Floats:
        """Return `compute(items)` for `items` (b, …), or raise its error: MemoryError if a single item doesn't fit."""
        call = _Call(items)
        self._waiting.append(call)
        with self._computing:
            while not call.answer.done():
                self._answer(self._next_batch())
        return call.answer.result()

    def _next_batch(self) -> list[_Call]:
        """Take the calls that have waited longest, as many as fit a batch but at least one."""
        batch = [self._waiting.popleft()]
        size = len(batch[0].items)
        while self._waiting:
            items = self._waiting[0].items
            size += len(items)
            if size > self.largest or items.shape[1:] != batch[0].items.shape[1:]:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _answer(self, batch: Sequence[_Call]) -> None:
        try:
            computed = self._in_pieces(np.concatenate([call.items for call in batch]))
        except BaseException as error:
            for call in batch:
                call.answer.set_exception(error)
            return
        start = 0
        for call in batch:
            call.answer.set_result(computed[start : start + len(call.items)])
            start += len(call.items)

    def _in_pieces(self, items: Floats) -> Floats:
        computed: list[Floats] = []
        start = 0
        while start < len(items):
            piece = items[start : start + self.largest]
            try:
                computed.append(self._compute(piece))
            except MemoryError:
                if len(piece) == 1:
                    raise
                self.largest = len(piece) // 2
            else:
                start += len(piece)
        return np.concatenate(computed) if len(computed) > 1 else computed[0]


@dataclass(frozen=True, slots=True)
class _Call:
    items: Floats
    answer: Future[Floats] = field(default_factory=Future)
