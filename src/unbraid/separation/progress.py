"""Progress callbacks and cancellation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Literal, Protocol

from unbraid.errors import Cancelled

Stage = Literal["analysing", "separating", "writing"]

# Start and end of each stage as a share of the work. Decoding once and encoding take a few hundredths of it.
SHARES: dict[Stage, tuple[float, float]] = {
    "analysing": (0.0, 0.03),
    "separating": (0.03, 0.96),
    "writing": (0.96, 1.0),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """One progress report."""

    fraction: float
    """Share of all work that is done; never decreases."""
    seconds_done: float
    """Seconds of the song done in this stage."""
    seconds_total: float | None
    """Length of the song. While it is analysed, the length by its header, or None if it has none."""
    stage: Stage


ProgressCallback = Callable[[Progress], None]


class CancelToken(Protocol):
    """Anything like `threading.Event`. Once it is set, the work stops with `Cancelled` within a segment."""

    def is_set(self) -> bool:
        """Whether to cancel."""
        ...


class CancelAll(Event):
    """Cancels all songs of a batch. Set by itself, or when the caller's `cancel` is set."""

    def __init__(self, cancel: CancelToken | None) -> None:
        super().__init__()
        self._cancel = cancel

    def is_set(self) -> bool:
        """See `CancelToken`."""
        return super().is_set() or (self._cancel is not None and self._cancel.is_set())


class Reporter:
    """Calls the progress callback, and raises `Cancelled` once the token is set."""

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
