"""What the commands that separate songs share: how they load a model, go from song to song, and are stopped."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.cli.downloads import DownloadDisplay
from unbraid.cli.messages import about, clock, say
from unbraid.cli.ordered_display import OrderedDisplay
from unbraid.cli.progress import Display, choose_display
from unbraid.cli.stopping import Stop, stop_on_signals
from unbraid.errors import Cancelled, InputError, UnbraidError
from unbraid.out_of_memory import report_out_of_memory

if TYPE_CHECKING:
    from unbraid.separation import Progress, Separator
    from unbraid.separation.batch import Begun
    from unbraid.separation.separator import Result


ORDINARY_RATE = 44100  # Hz, of most songs and of all published models
M_ARENA_MAX = -8  # in glibc's malloc.h


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a song: the `names` of what is now in `folder`, and the `seconds` it took in all."""

    result: Result
    folder: str
    names: Sequence[str]
    seconds: float

    @property
    def line(self) -> str:
        """`out/song: vocals and no_vocals (3.2 s, 60.1 x real time)`."""
        *others, last = self.names
        names = f"{', '.join(others)} and {last}" if others else last
        time = f"{self.seconds:.1f} s" if self.seconds < 60 else clock(self.seconds)
        return f"{self.folder}: {names} ({time}, {self.result.duration_s / self.seconds:.1f} x real time)"


Separate = Callable[["Callable[[Progress], None]"], Written]
"""Separates a song, and tells how far it is."""


def run_cancellable(work: Callable[[Display, Stop], int], *, quiet: bool = False) -> int:
    """The exit code that `work` gives, or that of the signal which stopped it."""
    _share_one_heap()
    code = 0
    with stop_on_signals() as stop:
        display = choose_display(quiet)
        try:
            with report_out_of_memory():
                code = work(display, stop)
        except Cancelled:
            pass  # while the model was being downloaded
        except KeyboardInterrupt:
            stop.set()  # by a second signal: don't wait
        if stop.is_set():
            display.clear()
            say("stopped; stems that were not finished are not there")
            return stop.exit_code
    return code


def _share_one_heap() -> None:
    """Let all threads of this process allocate from one heap.

    glibc gives each thread its own, and what has been freed in one is of no use to the others: 0.1 GB more for a
    batch, 20 MB for a song.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def load_separator(
    model: str, display: Display, stop: Stop, *, quiet: bool = False, **options: Any
) -> Separator:
    """A Separator with these `options`; a download is shown, and ends with Cancelled when `stop` is set."""
    from unbraid.models.catalog import AUTO, AUTO_CHOICE
    from unbraid.separation import Separator

    downloads = DownloadDisplay(AUTO_CHOICE if model == AUTO else model, quiet)

    def notice(text: str) -> None:
        display.clear()  # of the song that is going on
        downloads.notice(text)

    def downloading(done: int, total: int) -> None:
        if stop.is_set():
            raise Cancelled
        downloads.update(done, total)

    try:
        return Separator(model, notice=notice, downloading=downloading, **options)
    finally:
        downloads.clear()


def separate_each(
    work: Sequence[tuple[str, Separate]], display: Display, stop: Stop, *, quiet: bool = False
) -> Generator[tuple[str, Written | UnbraidError]]:
    """Do what there is to do for each song, until `stop` is set, and say what came of it.

    The next song is computed while the one before is being written; what is said and yielded keeps their order.
    Yields every song that was begun, with what was written, or why nothing was. Sets `stop` when left before the end.
    """
    from unbraid.separation.batch import overlapped

    front = OrderedDisplay(display, [Path(song).name or song for song, _ in work])
    calls = [partial(_outcome, *each, front, number, stop) for number, each in enumerate(work, start=1)]
    with closing(overlapped(calls, stop.set)) as outcomes:
        for number, ((song, _), outcome) in enumerate(zip(work, outcomes, strict=True), start=1):
            if outcome is None:
                return
            with front.ended(number):
                if isinstance(outcome, Written):
                    for warning in () if quiet else outcome.result.warnings:
                        say(about(song, f"warning: {about(song, warning).removeprefix(f'{song}: ')}"))
                    display.done(outcome.line)
                elif not isinstance(outcome, Cancelled):
                    say(about(song, outcome.message))
            yield song, outcome


def _outcome(
    song: str, separate: Separate, front: OrderedDisplay, number: int, stop: Stop, begun: Begun
) -> Written | UnbraidError | None:
    """What came of a song; None where it was not begun, as `stop` was set."""

    def update(progress: Progress) -> None:
        if progress.stage != "analysing":
            begun()
        front.update(number, progress)

    if stop.is_set():
        return None
    try:
        if os.path.isdir(song):  # noqa: PTH112 - pathlib's raises for a name that is too long
            name = Path(song).name or song
            raise InputError(f"{name} is a folder. Name the files in it: {song.rstrip('/')}/*")
        with report_out_of_memory():
            return separate(update)
    except UnbraidError as failure:
        return failure
