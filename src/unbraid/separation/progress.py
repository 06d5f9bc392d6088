"""Progress callbacks and cancellation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Literal, Protocol

from unbraid.errors import Cancelled

Stage = Literal["analysing", "separating", "writing"]

# Start and end of each stage as a share of the work. The first decoding and the encoding take a few hundredths of it.
SHARES: dict[Stage, tuple[float, float]] = {
    "analysing": (0.0, 0.03),
    "separating": (0.03, 0.96),
    "writing": (0.96, 1.0),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """One progress report."""

    fraction: float
    """Share of the work that is done, over all stages; never decreases."""
    seconds_done: float
    """Seconds of the song done in this stage."""
    seconds_total: float | None
    """Length of the song. While it is analysed: the length in its header; None if there is none."""
    stage: Stage


ProgressCallback = Callable[[Progress], None]


class CancelToken(Protocol):
    """Object with `is_set`, such as a `threading.Event`. Once set, the work stops with Cancelled within a segment."""

    def is_set(self) -> bool:
        """Whether to cancel."""
        ...


class CancelAll(Event):
    """Event that cancels all songs of a batch. It counts as set if the caller's `cancel` is set."""

    def __init__(self, cancel: CancelToken | None) -> None:
        super().__init__()
        self._cancel = cancel

    def is_set(self) -> bool:
        """See `CancelToken`."""
        return super().is_set() or (self._cancel is not None and self._cancel.is_set())


class Reporter:
    """Link to the caller: call the progress callback, and raise Cancelled once the token is set."""

    def __init__(self, callback: ProgressCallback | None, cancel: CancelToken | None) -> None:
        self._callback = callback
        self._cancel = cancel

    def check(self) -> None:
        """Raise Cancelled if the token is set."""
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled

    def report(self, stage: Stage, done_s: float, total_s: float | None) -> None:
        """Report that `stage` has done `done_s` of `total_s` seconds. Raises Cancelled."""
        self.check()
        if self._callback is None:
            return
        begin, end = SHARES[stage]
        share = min(1.0, done_s / total_s) if total_s else 0.0
        self._callback(Progress(begin + (end - begin) * share, done_s, total_s, stage))
