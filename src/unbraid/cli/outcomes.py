"""What became of the songs of `unbraid separate`: lines on the terminal, events, a summary, the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unbraid.cli.events import Events, Song
from unbraid.cli.messages import message_of, say
from unbraid.cli.ordered_display import OrderedDisplay
from unbraid.cli.report import NOT_AUDIO, SKIPPED, Report
from unbraid.errors import UnbraidError, exit_code

if TYPE_CHECKING:
    from unbraid.separation import Progress, Result

MOST_NAMED = 10  # files that aren't audio; a library may have thousands of covers


class Outcomes:
    """Collects the outcomes of songs. `is_only`: whether there is one file, which the user named. Thread-safe."""

    def __init__(self, shown: OrderedDisplay, events: Events, *, is_only: bool, quiet: bool) -> None:
        self._shown, self._events, self._is_only, self._quiet = shown, events, is_only, quiet
        self._codes: set[int] = set()
        self._skipped = 0
        self._not_audio = 0
        self._not_audio_names: list[str] = []

    def add(self, song: Song) -> None:
        """Add the next song."""
        self._shown.add(song)

    def progress(self, song: Song, progress: Progress) -> None:
        """Show and report the progress of a song."""
        self._shown.update(song, progress)
        self._events.progress(song, progress)

    def finish(self, song: Song, outcome: Result | UnbraidError) -> None:
        """Show and report the outcome of a song, the next in order."""
        report = Report.of(str(song), outcome, is_only=self._is_only)
        self._shown.finish(song, outcome, silent=report.status in (SKIPPED, NOT_AUDIO))
        self._events.end_song(report)
        if report.status == NOT_AUDIO:
            self._not_audio += 1
            if len(self._not_audio_names) < MOST_NAMED:
                self._not_audio_names.append(str(song))
        else:
            self._skipped += report.status == SKIPPED
            self._codes.add(exit_code(outcome) if isinstance(outcome, UnbraidError) else 0)

    def cancel(self) -> None:
        """Report that the user stopped the command. Raises StandardOutputError if events can't be printed."""
        self._events.end()

    def end(self, problems: Sequence[UnbraidError]) -> int:
        """Print the summary and the `problems` of folders, and return the exit code.

        Raises StandardOutputError at the end if events can't be printed.
        """
        for problem in problems:
            say(message_of(problem))
            self._codes.add(exit_code(problem))
        if self._skipped and not self._quiet:
            say(f"{_number(self._skipped, 'song')} skipped, because the stems are there already.")
        if self._not_audio and not self._quiet:
            names = ", ".join(self._not_audio_names)
            more = ", …" if self._not_audio > len(self._not_audio_names) else ""
            say(f"{_number(self._not_audio, 'file')} left out, because they have no audio: {names}{more}")
        if not self._codes:
            say("There is no audio or video file. Check the folder.")
            self._codes.add(1)
        self._events.end()
        # If all songs ended the same way, that is the exit code; otherwise some failed.
        return self._codes.pop() if len(self._codes) == 1 else 1


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{' was' if count == 1 else 's were'}"
