"""Lines on standard error, safe to show whatever a file is called, and the pieces they are made of."""

from __future__ import annotations

import sys
from pathlib import Path


def printable(text: str) -> str:
    """`text` on one line: line breaks, control characters and undecodable bytes are spelt out (`\\n`, `\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(text: str) -> None:
    """One line on standard error, after the name of the program."""
    sys.stderr.write(f"unbraid: {printable(text)}\n")
    sys.stderr.flush()


def about(song: str, message: str) -> str:
    """`song: message`, where a message that opens with the file's name doesn't say it again.

    >>> about("music/a.mp3", "a.mp3 doesn't exist. Check the name and the folder.")
    "music/a.mp3: doesn't exist. Check the name and the folder."
    """
    return f"{song or repr(song)}: {message.removeprefix(Path(song).name + ' ')}"


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any: `0:07`, `12:30`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
