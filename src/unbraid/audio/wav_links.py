"""Find the recordings of joined WAV or AIFF files (`cat a.wav b.wav`): each has its own header, with its own length.

FFmpeg stops at the end of the first. Sources: Multimedia Programming Interface and Data Specifications 1.0 (RIFF),
EA IFF 85 (FORM).
"""

from __future__ import annotations

import re
from typing import BinaryIO, Literal

from unbraid.audio.tag_blocks import Range, declared_size

_START = re.compile(rb"RIFF.{4}WAVE|FORM.{4}AIF[FC]", re.DOTALL)
_NEXT = re.compile(_START.pattern + rb"|ID3[\x02-\x04]|TAG|APETAGEX", re.DOTALL)
_HEAD = 12  # bytes: mark, size, kind
_SEARCHED = 1 << 16  # bytes in which another recording or a tag is sought after the end of the one before
_MOST_CHUNKS = 1000  # of a recording, or tags between two: more than any program writes


def is_start(head: bytes) -> bool:
    """Whether a WAV or AIFF file starts with `head`."""
    return _START.match(head) is not None


def links(file: BinaryIO, start: int, end: int) -> list[Range]:
    """Return the recordings between `start` and `end`, without tags between them."""
    found: list[Range] = []
    while (stop := _declared_end(file, start, end)) < end and (
        following := _next_start(file, stop, end)
    ) < end:
        found.append((start, stop))
        start = following
    return [*found, (start, end)]


def _declared_end(file: BinaryIO, start: int, end: int) -> int:
    """Return the end of the recording that starts at `start`; `end` if its chunks don't fill its declared size."""
    file.seek(start)
    head = file.read(_HEAD)
    order: Literal["little", "big"] = "little" if head.startswith(b"RIFF") else "big"
    stop = start + 8 + int.from_bytes(head[4:8], order)
    at = start + _HEAD
    for _ in range(_MOST_CHUNKS):
        if at >= stop:
            break
        file.seek(at)
        size = int.from_bytes(file.read(8)[4:], order)
        at += 8 + size + size % 2
    # The last chunk's padding may be missing in the declared size, or in the file.
    return next((one for one in (at, stop) if at - 1 <= stop <= at and one <= end), end)


def _next_start(file: BinaryIO, at: int, end: int) -> int:
    """Return the start of the next recording from `at` on, behind tags; `end` if there is none."""
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        chunk = file.read(min(_SEARCHED, end - at))
        if is_start(chunk):
            return at
        if size := declared_size(file, at):
            at += size
        elif found := _NEXT.search(chunk, 1):
            at += found.start()
        else:
            break
    return end
