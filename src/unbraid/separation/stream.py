"""The core of the engine: turn the mixture, block by block, into estimates, with only a few segments in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from heapq import merge

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.separation.network import Network
from unbraid.separation.overlap import MixtureBuffer, OverlapAdd, Segment, Window
from unbraid.separation.runs import Run

# Samples in a block of zeros after a window.
ZEROS = 1 << 16


def stream_estimates(
    mixture: Iterator[Floats],
    samples: int,
    network: Network,
    runs: Sequence[Run],
    sources: Sequence[int],
    *,
    silence: float = 0.0,
    jobs: int = 1,
    check: Callable[[], None] = lambda: None,
    window: Window | None = None,
) -> Generator[Floats]:
    """Yield the mean of the estimates of `network` over all `runs`, as consecutive blocks (sources, channels, n).

    `mixture` yields blocks (channels, n) of the song, `samples` in total. A segment is silent if the network would read
    no sample above `silence`; its estimates are zeros. `jobs` segments are computed in parallel, while this thread
    reads ahead and adds up. `check` is called before every segment, and may raise to stop the work.

    With `window`, `mixture` has the samples from `window.first` on of a longer song, whose segments have their places
    there. Only those that contribute to the window are estimated, and the samples around it are zeros.
    """
    window = window or Window(samples, 0, 0, samples, samples)
    start, stop = window.start - window.first, window.stop - window.first
    longest = max(run.length for run in runs)
    first = next(mixture)
    buffer = MixtureBuffer(first.shape[0])
    buffer.append(first)
    states = [
        _RunState(run, OverlapAdd(len(sources), first.shape[0], run.weights, longest, start)) for run in runs
    ]
    # Order tasks by the last sample they read, so that no run is more than a segment ahead of another.
    plan = merge(*(_tasks(state, window) for state in states), key=lambda task: task.segment.read_stop)
    pending: deque[tuple[_Task, Future[Floats]]] = deque()
    emitted = 0  # samples yielded so far

    def zeros(until: int) -> Floats:
        """Return zeros for the samples up to `until`, outside the window."""
        nonlocal emitted
        count, emitted = until - emitted, until
        return np.zeros((len(sources), first.shape[0], count), np.float32)

    def finish_oldest() -> Iterator[Floats]:
        """Add the oldest pending estimate, and yield the samples that have become final, if any."""
        nonlocal emitted
        _add_up(*pending.popleft())
        if emitted < start:
            yield zeros(start)
        finished = min(stop, *(state.finished for state in states))
        if finished > emitted:
            yield _mean([state.overlap_add.take(finished) for state in states])
            emitted = finished

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="segment")
    try:
        for task in plan:
            check()
            segment = task.segment
            while buffer.stop < min(segment.read_stop, samples):
                buffer.append(next(mixture))
                buffer.forget(segment.read_stop - longest)
                if emitted < start:
                    yield zeros(min(buffer.stop, start))
            if task.state.newest is None or task.state.newest[0] != segment.place:
                read = buffer.read(*segment.place)
                estimate = _silence if np.abs(read).max() <= silence else network.estimate
                task.state.newest = segment.place, pool.submit(estimate, read, sources)
            pending.append((task, task.state.newest[1]))
            if len(pending) > jobs:
                yield from finish_oldest()
        while pending:
            check()
            yield from finish_oldest()
        while emitted < samples:
            yield zeros(min(emitted + ZEROS, samples))
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(slots=True)
class _RunState:
    """The unfinished sums of a run."""

    run: Run
    overlap_add: OverlapAdd
    finished: int = 0
    """Number of samples from the start of the song that are final."""
    newest: tuple[tuple[int, int], Future[Floats]] | None = None
    """The newest segment's place and estimate. The last segments of a song may read the same samples."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A segment to estimate for a run."""

    state: _RunState
    segment: Segment


def _tasks(state: _RunState, window: Window) -> Iterator[_Task]:
    for segment in state.run.segments_within(window):
        yield _Task(state, segment.moved(-window.first))


def _silence(mixture: Floats, sources: Sequence[int]) -> Floats:
    """Estimate a silent segment as zeros; a network's estimates would be as quiet. See `Network.estimate`."""
    return np.zeros((len(sources), *mixture.shape), np.float32)


def _add_up(task: _Task, estimate: Future[Floats]) -> None:
    """Wait for an estimate and add it to its run."""
    task.state.overlap_add.add(task.segment, estimate.result()[..., task.segment.inner])
    task.state.finished = max(0, task.segment.next_start)


def _mean(parts: Sequence[Floats]) -> Floats:
    if len(parts) == 1:
        return parts[0]
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    total /= np.float32(len(parts))
    return total
