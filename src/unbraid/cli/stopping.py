"""Ctrl-C and its relatives: the first asks the work to stop and tidy up, a second one doesn't wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(threading.Event):
    """Set once the user or the system asked to stop; `exit_code` is what shells expect then (128 + the signal)."""

    exit_code = 128 + signal.SIGINT

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Handle the signal `number`."""
        self.exit_code = 128 + number
        if self.is_set():
            raise KeyboardInterrupt
        self.set()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A Stop that signals set while the block runs. Signals that were ignored (nohup, `&`) stay ignored."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stop.receive)
    try:
        yield stop
    finally:
        for number in heard:
            signal.signal(number, before[number])
