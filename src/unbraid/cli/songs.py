"""What the commands that separate songs share: how they load a model, go from song to song, and are stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.cli.downloads import DownloadDisplay
from unbraid.cli.messages import about, clock, say
from unbraid.cli.progress import Display, choose_display
from unbraid.cli.stopping import Stop, stop_on_signals
from unbraid.errors import Cancelled, InputError, UnbraidError
from unbraid.shortage import told_as_shortage

if TYPE_CHECKING:
    from unbraid.separation import Separator
    from unbraid.separation.separator import Result


ORDINARY_RATE = 44100  # Hz, of most songs and of all published models


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


def until_stopped(work: Callable[[Display, Stop], int], *, quiet: bool = False) -> int:
    """The exit code that `work` gives, or that of the signal which stopped it."""
    code = 0
    with stop_on_signals() as stop:
        display = choose_display(quiet)
        try:
            with told_as_shortage():
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
    work: Sequence[tuple[str, Callable[[], Written]]], display: Display, stop: Stop, *, quiet: bool = False
) -> Iterator[tuple[str, Written | UnbraidError]]:
    """Do what there is to do for each song, until `stop` is set, and say what came of it.

    Yields every song that was begun, with what was written, or why nothing was.
    """
    for number, (song, separate) in enumerate(work, start=1):
        if stop.is_set():
            return
        name = Path(song).name or song
        display.start(name, number, len(work))
        outcome: Written | UnbraidError
        try:
            if os.path.isdir(song):  # noqa: PTH112 - pathlib's raises for a name that is too long
                raise InputError(f"{name} is a folder. Name the files in it: {song.rstrip('/')}/*")
            with told_as_shortage():
                outcome = separate()
        except Cancelled as cancelled:
            outcome = cancelled
        except UnbraidError as failure:
            outcome = failure
            display.clear()
            say(about(song, failure.message))
        else:
            display.clear()
            for warning in () if quiet else outcome.result.warnings:
                say(about(song, f"warning: {about(song, warning).removeprefix(f'{song}: ')}"))
            display.done(outcome.line)
        yield song, outcome
