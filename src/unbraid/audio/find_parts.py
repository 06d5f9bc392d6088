"""Find the parts of a file that FFmpeg can open, and mend those whose start is damaged."""

from __future__ import annotations

import stat
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unbraid.audio.file_view import FilePart
from unbraid.audio.ogg_headers import with_header_of
from unbraid.audio.open_part import open_part
from unbraid.audio.parts import split
from unbraid.errors import InputError, NotAudio, SettingError
from unbraid.files.oserrors import read_cause

if TYPE_CHECKING:
    from os import PathLike

_MOST_DONORS = 4  # to try for a part
_MOST_MENDED = 100  # tries; each takes up to 0.1 s


class Parts(NamedTuple):
    """The parts of a file that can be opened, at least one."""

    readable: list[FilePart]
    all: int
    """Number of parts."""
    damaged: int
    """Number of parts whose start is damaged."""
    channels: int
    """Most channels of a part; 0 if there is only one part."""


def find_parts(path: str | PathLike[str], stream: int | None = None) -> Parts:
    """Find the parts of a file (see `split`). Raises InputError if it isn't a readable file.

    If the start of a part is damaged, it is read with the settings of the part before it, or else of the next one.
    """
    _check_readable(path, _name(path))
    try:
        found = split(Path(path))
        if len(found) == 1:
            return Parts(found, 1, int(bool(found[0].head)), 0)
        channels = [_channels(part, stream) for part in found]
        readable = _readable(found, [count > 0 for count in channels], stream)
    except OSError as error:
        reason = f"can't be read: {read_cause(error)}. Check the disk."
        raise InputError(reason, subject=_name(path)) from error
    damaged = sum(count == 0 or bool(part.head) for part, count in zip(found, channels, strict=True))
    return Parts(readable, len(found), damaged, max(channels))


def _readable(found: list[FilePart], can_be_opened: list[bool], stream: int | None) -> list[FilePart]:
    """Return the parts that can be opened, and the others with the settings of these."""
    donors = [at for at, is_open in enumerate(can_be_opened) if is_open]
    readable: list[FilePart] = []
    first: list[FilePart] = []  # damaged parts before the first readable one
    tries = 0
    for at, part in enumerate(found):
        if can_be_opened[at]:
            if not readable and len(first) > 1 and _channels(together := _joined(first), stream):
                readable.append(together)  # one has the settings of the other
            readable.append(part)
            continue
        nearest = [*(each for each in reversed(donors) if each < at), *(each for each in donors if each > at)]
        mended = None
        for donor in nearest[:_MOST_DONORS]:
            if mended is None and tries < _MOST_MENDED:
                tries += 1
                mended = with_header_of(part, found[donor])
        if mended is not None and _channels(mended, stream):
            readable.append(mended)
        elif readable:
            readable[-1] = _joined([readable[-1], part])
        else:
            first.append(part)
    if readable:
        return readable
    whole = _joined(found)  # FFmpeg may find the settings in headers of several parts
    return [whole if _channels(whole, stream) else found[0]]


def _joined(parts: list[FilePart]) -> FilePart:
    ranges = tuple(each for part in parts for each in part.ranges or ())
    return FilePart(parts[0].path, ranges, parts[0].head)


def _channels(part: FilePart, stream: int | None) -> int:
    """Return the channels of a part; 0 if it can't be opened."""
    try:
        opened = open_part(part, stream)
    except (InputError, SettingError):
        return 0
    with opened.container:
        return opened.sound.codec_context.layout.nb_channels


def _name(path: str | PathLike[str]) -> str:
    return Path(path).name or str(path)


def _check_readable(path: str | PathLike[str], name: str) -> None:
    if not fspath(path):
        raise InputError("A song has no name. Name an audio file.")
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"is a folder. Name the files in it: {fspath(path).rstrip('/')}/*", subject=name)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a regular file. Save the audio to a file first.", subject=name)
        if status.st_size == 0:
            raise NotAudio("is empty (0 bytes). Copy or download it again.", subject=name)
        with Path(path).open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("doesn't exist. Check the name and the folder.", subject=name) from error
    except PermissionError as error:
        raise InputError(
            "can't be read: you have no permission. Change its permissions.", subject=name
        ) from error
    except (OSError, ValueError) as error:
        reason = f"can't be opened: {read_cause(error)}. Check the name and the disk."
        raise InputError(reason, subject=name) from error
