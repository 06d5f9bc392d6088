"""What a caller is told while a song is being separated, and how it says stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Literal, Protocol

from unbraid.errors import Cancelled

Stage = Literal["analysing", "separating", "writing"]

# Where each stage begins and ends, as a share of the work: decoding once and encoding take a few hundredths
# of it.
SHARES: dict[Stage, tuple[float, float]] = {
    "analysing": (0.0, 0.03),
    "separating": (0.03, 0.96),
    "writing": (0.96, 1.0),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """One report. `fraction` of all the work, never falling; `seconds_done` of the song in this stage."""

    fraction: float
    seconds_done: float
    seconds_total: float | None
    """Length of the song; what its header claims while it is analysed, None where it claims nothing."""
    stage: Stage


ProgressCallback = Callable[[Progress], None]


class CancelToken(Protocol):
    """Anything like `threading.Event`: set it, and the work stops with `Cancelled` within a segment."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class Leaving(Event):
    """Set when work is given up, or when the token `asked` is."""

    def __init__(self, asked: CancelToken | None) -> None:
        super().__init__()
        self._asked = asked

    def is_set(self) -> bool:
        """See `CancelToken`."""
        return super().is_set() or (self._asked is not None and self._asked.is_set())


class Reporter:
    """Turns seconds done into reports and a set token into `Cancelled`, in the thread that works."""

    def __init__(self, callback: ProgressCallback | None, cancel: CancelToken | None) -> None:
        self._callback = callback
        self._cancel = cancel

    def check(self) -> None:
        """Raise Cancelled when asked to stop."""
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled

    def report(self, stage: Stage, done_s: float, total_s: float | None) -> None:
        """Tell that `done_s` of `total_s` went through `stage`."""
        self.check()
        if self._callback is None:
            return
        begin, end = SHARES[stage]
        share = min(1.0, done_s / total_s) if total_s else 0.0
        self._callback(Progress(begin + (end - begin) * share, done_s, total_s, stage))
