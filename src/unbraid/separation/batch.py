"""Overlap songs: read and compute the next song while the stems of the one before are being encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from threading import Event
from typing import TypeVar

from unbraid.errors import Cancelled, UnbraidError
from unbraid.out_of_memory import report_out_of_memory
from unbraid.separation.folders import StrPath
from unbraid.separation.progress import CancelAll, CancelToken, Progress, ProgressCallback
from unbraid.separation.result import Result

T = TypeVar("T")

# One song is computed while the other is read or written.
CONCURRENT_SONGS = 2

# Short songs may finish before an earlier one that takes long to write. At most this many results wait for it.
MAX_WAITING = 3

LONGEST_WAIT_S = 0.5  # then signals are handled

Started = Callable[[], object]
"""Callback of a song that starts to compute, so that the next song can be read."""

Separate = Callable[[StrPath, ProgressCallback, CancelToken], Result]
"""Separate one song into files. Raises UnbraidError."""


def separate_songs(
    separate: Separate,
    songs: Iterable[StrPath],
    progress: Callable[[StrPath, Progress], object] | None,
    cancel: CancelToken | None,
) -> Generator[tuple[StrPath, Result | UnbraidError]]:
    """Separate overlapping songs. See `Separator.separate_files`."""
    cancel_all = CancelAll(cancel)

    def call(song: StrPath, started: Started) -> tuple[StrPath, Result | UnbraidError | None]:
        return song, outcome_of(song, started)

    def outcome_of(song: StrPath, started: Started) -> Result | UnbraidError | None:
        def report(update: Progress) -> None:
            if update.stage != "analysing":
                started()
            if progress:
                progress(song, update)

        if cancel_all.is_set():
            return None
        try:
            with report_out_of_memory():
                return separate(song, report, cancel_all)
        except UnbraidError as error:
            return error

    cancelled = False
    with closing(overlapped((partial(call, song) for song in songs), cancel_all.set)) as outcomes:
        for song, outcome in outcomes:
            if outcome is None:
                raise Cancelled
            cancelled = cancelled or isinstance(outcome, Cancelled)
            yield song, outcome
    if cancelled:
        raise Cancelled


def overlapped(work: Iterable[Callable[[Started], T]], cancel: Callable[[], object]) -> Generator[T]:
    """Run the calls in `work` in CONCURRENT_SONGS threads and yield their results in order.

    Each call receives a Started callback. The next call starts when this one has called it or has ended, so songs
    compute in order. An exception in a call is raised here when its result is due. On an exception, or if the generator
    is closed early, `cancel` is called and must end the running calls; then this generator waits for them.
    """
    pool = ThreadPoolExecutor(CONCURRENT_SONGS, thread_name_prefix="song")
    pending: deque[Future[T]] = deque()
    previous_started = Event()
    previous_started.set()
    try:
        for call in work:
            started = Event()
            pending.append(pool.submit(_call_after, previous_started, call, started))
            previous_started = started
            if len(pending) > MAX_WAITING:
                yield _result_of(pending.popleft())
        while pending:
            yield _result_of(pending.popleft())
    finally:
        if pending:
            cancel()
        pool.shutdown(cancel_futures=True)


def _result_of(future: Future[T]) -> T:
    """Wait for a result. A signal that arrives just before the wait doesn't end it, so no wait is long."""
    while not wait([future], LONGEST_WAIT_S).done:
        pass
    return future.result()


def _call_after(previous_started: Event, call: Callable[[Started], T], started: Event) -> T:
    """Wait until the previous song computes, then run `call`. Set `started` at its end, even after an error."""
    previous_started.wait()
    try:
        return call(started.set)
    finally:
        started.set()
