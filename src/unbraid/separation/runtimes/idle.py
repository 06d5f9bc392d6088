"""What concurrent calls of a runtime lend and return: the memory or the request of one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class IdleItems(Generic[T]):
    """Items that no call uses at the moment. Thread-safe."""

    def __init__(self, create: Callable[[], T], ready: Iterable[T] = ()) -> None:
        """`create` makes a further item, when all others are in use. `ready`: items that exist already."""
        self._create = create
        self._idle: SimpleQueue[T] = SimpleQueue()
        for item in ready:
            self._idle.put(item)

    @contextmanager
    def borrow(self) -> Iterator[T]:
        """Yield an item that no other call uses until the context ends."""
        try:
            item = self._idle.get_nowait()
        except Empty:
            item = self._create()
        try:
            yield item
        finally:
            self._idle.put(item)
