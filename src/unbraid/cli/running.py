"""Run a command that separates songs: load the model, show progress, stop on signals."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from unbraid.cli.downloads import DownloadDisplay
from unbraid.cli.messages import say
from unbraid.cli.progress import Display, choose_display
from unbraid.cli.stopping import Stop, stop_on_signals
from unbraid.errors import Cancelled
from unbraid.out_of_memory import report_out_of_memory

if TYPE_CHECKING:
    from unbraid.separation import Separator


COMMON_RATE_HZ = 44100  # of most songs and of all published models
M_ARENA_MAX = -8  # in glibc's malloc.h


def run_cancellable(work: Callable[[Display, Stop], int], *, quiet: bool = False) -> int:
    """Return the exit code of `work`, or the code of the signal that stopped it."""
    _share_one_heap()
    code = 0
    with stop_on_signals() as stop:
        display = choose_display(quiet)
        try:
            with report_out_of_memory():
                code = work(display, stop)
        except Cancelled:
            pass
        except KeyboardInterrupt:
            stop.set()  # a second signal: don't wait
        if stop.is_set():
            display.clear()
            say("Stopped. Unfinished stems were removed.")
            return stop.exit_code
    return code


def _share_one_heap() -> None:
    """Let all threads of this process allocate from one heap.

    glibc gives each thread its own heap, and memory freed in one can't be reused in another. That costs 0.1 GB for a
    batch and 20 MB for a song.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def load_separator(
    model: str, display: Display, stop: Stop, *, quiet: bool = False, **options: Any
) -> Separator:
    """Load a Separator with `options`. Show a download, and raise Cancelled when `stop` is set during it."""
    from unbraid.models.auto import is_choice
    from unbraid.separation import Separator

    downloads = DownloadDisplay("model" if is_choice(model) else model, quiet)

    def notice(text: str) -> None:
        display.clear()  # notices can also come while a song is shown
        downloads.notice(text)

    def downloading(done: int, total: int) -> None:
        if stop.is_set():
            raise Cancelled
        downloads.update(done, total)

    try:
        return Separator(model, notice=notice, downloading=downloading, **options)
    finally:
        downloads.clear()
