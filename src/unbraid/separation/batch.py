"""Many songs: the next one is read and computed while the stems of the one before are still being encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

T = TypeVar("T")

# Songs under way at once: one is computed, the other is being read for that, or written.
UNDER_WAY = 2

# Short songs may overtake one that takes long to be written; so many may be done that are not handed out yet.
AHEAD = 3

Begun = Callable[[], object]
"""What a song calls when it is being computed, so that the next may begin to be read."""


def overlapped(work: Iterable[Callable[[Begun], T]], give_up: Callable[[], object]) -> Generator[T]:
    """What the calls in `work` give, in their order. They run in threads of their own, UNDER_WAY at once.

    Each is begun when the one before has called what it was given, or has ended, so that they compute in their order.
    What a call raises is raised here when its result is due. When others run then, or when the generator is left,
    `give_up` is called, which has to end them, and they are waited for.
    """
    pool = ThreadPoolExecutor(UNDER_WAY, thread_name_prefix="song")
    pending: deque[Future[T]] = deque()
    before = Event()
    before.set()
    try:
        for call in work:
            begun = Event()
            pending.append(pool.submit(_after, before, call, begun))
            before = begun
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        if pending:
            give_up()
        pool.shutdown(cancel_futures=True)


def _after(before: Event, call: Callable[[Begun], T], begun: Event) -> T:
    """Wait for `before`, then do `call`."""
    before.wait()
    try:
        return call(begun.set)
    finally:
        begun.set()
