"""Read the pages of Ogg files (RFC 3533, section 6): links of a chain, and the last page.

A chained Ogg file is several recordings, one after another: internet radio, or files that were joined. Each link has
its own headers, so its rate and channels may differ. FFmpeg decodes only links that are like the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_HEAD = 27  # bytes of a page's header, without its table of lengths
_FIRST, _LAST = 2, 4  # bits of the sixth byte of a header
_LONGEST_PAGE = 65307  # bytes
_NO_PACKET_ENDS = (0, (1 << 64) - 1)  # times of pages with headers, or with a part of a packet


def pages(file: BinaryIO, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield position, flags and time (in units of the codec) of each page from `start`. Damage is skipped."""
    at = start
    while True:
        file.seek(at)
        head = file.read(_HEAD + 255)
        if len(head) < _HEAD:
            return
        if head.startswith(b"OggS"):
            yield at, head[5], int.from_bytes(head[6:14], "little")
            at += _HEAD + head[26] + sum(head[_HEAD : _HEAD + head[26]])
        else:
            file.seek(at + 1)
            found = file.read(_LONGEST_PAGE + 4).find(b"OggS")
            at += 1 + (found if found >= 0 else _LONGEST_PAGE)


def link_starts(file: BinaryIO, start: int) -> list[int]:
    """Return the positions of the links of a chain that starts at `start`.

    A link starts with one "first page" for each of its streams.
    """
    starts = [start]
    was_first = True
    for at, flags, _ in pages(file, start):
        is_first = bool(flags & _FIRST)
        if is_first and not was_first:
            starts.append(at)
        was_first = is_first
    return starts


def has_last_page(tail: bytes) -> bool:
    """Whether the last page in `tail`, the end of a file, is marked as the last of its stream."""
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) >= page + _HEAD and bool(tail[page + 5] & _LAST)


def first_page_of_sound(file: BinaryIO) -> tuple[int, bool]:
    """Return the time of the first page on which a packet of sound ends, and whether it is the last page too."""
    for _, flags, time in pages(file):
        if time not in _NO_PACKET_ENDS:
            return time, bool(flags & _LAST)
    return 0, False
