"""Lines on standard error, safe to show whatever a file is called, and the pieces they are made of."""

from __future__ import annotations

import sys
from os import PathLike, fspath
from pathlib import Path

from unbraid.errors import OutputError, SongWarning, UnbraidError


def printable(text: str) -> str:
    """`text` on one line: line breaks, control characters and undecodable bytes are spelt out (`\\n`, `\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(text: str) -> None:
    """One line on standard error, after the name of the program."""
    sys.stderr.write(f"unbraid: {printable(text)}\n")
    sys.stderr.flush()


def about(song: str | PathLike[str], problem: UnbraidError | SongWarning, kind: str = "") -> str:
    """Return `song: kind problem`, without the song's name a second time.

    >>> about("music/a.mp3", InputError("doesn't exist. Check the name and the folder.", subject="a.mp3"))
    "music/a.mp3: doesn't exist. Check the name and the folder."
    """
    is_about_song = problem.subject is not None and Path(problem.subject).name == Path(song).name
    text = problem.reason if is_about_song else message_of(problem)
    return f"{fspath(song) or repr(song)}: {kind}{text}"


def message_of(problem: UnbraidError | SongWarning) -> str:
    """Return the line, with the option for the output folder where another folder helps."""
    return problem.message_with(" (-o)") if isinstance(problem, OutputError) else str(problem)


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any: `0:07`, `12:30`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
