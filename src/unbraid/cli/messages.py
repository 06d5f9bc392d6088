"""Print messages on standard error, with any file name escaped."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from unbraid.cli.streams import write_message
from unbraid.errors import OutputError, SongWarning, UnbraidError


def printable(text: str) -> str:
    """Escape line breaks, control characters and undecodable bytes in `text` (`\\n`, `\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(text: str) -> None:
    """Print one line on standard error, after the name of the program."""
    write_message(f"unbraid: {printable(text)}\n")


def about(song: str | PathLike[str], problem: UnbraidError | SongWarning, kind: str = "") -> str:
    """Return `song: kind` and the problem, without repeating the song's name.

    >>> about("music/a.mp3", InputError("doesn't exist. Check the name and the folder.", subject="a.mp3"))
    "music/a.mp3: doesn't exist. Check the name and the folder."
    """
    # The subject of an OutputError is an output file, which may have the name of the song.
    is_about_song = (
        not isinstance(problem, OutputError)
        and problem.subject is not None
        and Path(problem.subject).name == Path(song).name
    )
    text = problem.reason if is_about_song else message_of(problem)
    if is_about_song and isinstance(problem, SongWarning):
        text = f"{text} {problem.advice}".rstrip()
    return f"{fspath(song) or repr(song)}: {kind}{text}"


def message_of(problem: UnbraidError | SongWarning) -> str:
    """Return the line, with the option (-o) if another output folder helps."""
    return problem.message_with(" (-o)") if isinstance(problem, OutputError) else str(problem)


def rough_time(seconds: float) -> str:
    """Format an estimate: `5 seconds`, `3 minutes`, `1.5 hours`.

    >>> rough_time(95), rough_time(7), rough_time(1.2)
    ('2 minutes', '7 seconds', '1 second')
    """
    if seconds < 55:
        number, unit = f"{max(1, round(seconds))}", "second"
    elif seconds < 90 * 60:
        number, unit = f"{round(seconds / 60)}", "minute"
    else:
        number, unit = f"{seconds / 3600:.1f}".removesuffix(".0"), "hour"
    return f"{number} {unit}{'' if number == '1' else 's'}"


def clock(seconds: float) -> str:
    """Format seconds as minutes and hours: `0:07`, `12:30`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
