"""Handle Ctrl-C and other signals: the first one stops the work cleanly, a second one immediately."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(threading.Event):
    """An event that a signal sets. `exit_code` is 128 + the signal's number, as in shells."""

    exit_code = 128 + signal.SIGINT

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Handle the signal `number`."""
        self.exit_code = 128 + number
        if self.is_set():
            raise KeyboardInterrupt
        self.set()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Return a Stop that signals set while the block runs. Ignored signals (nohup, `&`) stay ignored.

    Python handles signals in the main thread only. In another thread, signals keep their handlers.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number in SIGNALS if previous[number] is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, stop.receive)
    try:
        yield stop
    finally:
        for number in handled:
            signal.signal(number, previous[number])
