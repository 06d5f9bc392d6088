"""Read the pages of Ogg files (RFC 3533, section 6): links of a chain, and the last page.

A chained Ogg file is several recordings, one after another: internet radio, or files that were joined. Each link has
its own headers, so its rate and channels may differ. FFmpeg decodes only links that are like the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from unbraid.audio.tag_blocks import Range

_HEAD = 27  # bytes of a page's header, without its table of lengths
_FIRST, _LAST, _ALL = 2, 4, 7  # bits of the sixth byte of a header; the others are 0
_MARK = b"OggS"
_STEP = 1 << 16  # bytes to read at once
NO_PACKET_ENDS = (0, (1 << 64) - 1)  # times of pages with headers, or with a part of a packet


class Page(NamedTuple):
    """The header of a page."""

    start: int
    end: int
    flags: int
    time: int
    """In units of the codec."""


def pages(file: BinaryIO, start: int = 0) -> Iterator[Page]:
    """Yield each page from position `start`. Damage is skipped."""
    at = start
    while True:
        file.seek(at)
        head = file.read(_HEAD + 255)
        if len(head) < _HEAD:
            return
        if not head.startswith(_MARK):
            at = _next_mark(file, at + 1)
            continue
        end = at + _HEAD + head[26] + sum(head[_HEAD : _HEAD + head[26]])
        file.seek(end)
        if file.read(len(_MARK)) != _MARK:  # the page is the last, or cut off, or a tag follows
            after = _next_mark(file, at + 1)
            end = min(end, after)
        else:
            after = end
        yield Page(at, end, head[5], int.from_bytes(head[6:14], "little"))
        at = after


def _next_mark(file: BinaryIO, at: int) -> int:
    """Return the position of the next page from `at` on; the end of the file if there is none."""
    while True:
        file.seek(at)
        chunk = file.read(_STEP)
        found = chunk.find(_MARK)
        if found >= 0:
            return at + found
        if len(chunk) < _STEP:
            return at + len(chunk)
        at += _STEP - len(_MARK) + 1


def links(file: BinaryIO, start: int) -> list[Range]:
    """Return the links of a chain that starts at `start`, without tags between and behind them.

    A link starts with one "first page" for each of its streams, and ends after its last page.
    """
    size = file.seek(0, 2)
    found: list[Range] = []
    was_first = False
    for page in pages(file, start):
        # A header has the time 0. Damage may set the bit of any other page.
        is_first = bool(page.flags & _FIRST) and page.flags <= _ALL and page.time in NO_PACKET_ENDS
        first = page.start if not found or (is_first and not was_first) else found.pop()[0]
        found.append((first, min(page.end, size)))
        was_first = is_first
    return found or [(start, size)]


def has_last_page(tail: bytes) -> bool:
    """Whether the last page in `tail`, the end of a file, is marked as the last of its stream."""
    page = tail.rfind(_MARK)
    return page >= 0 and len(tail) >= page + _HEAD and bool(tail[page + 5] & _LAST)


def first_page_of_sound(file: BinaryIO) -> tuple[int, bool]:
    """Return the time of the first page on which a packet of sound ends, and whether it is the last page too."""
    for page in pages(file):
        if page.time not in NO_PACKET_ENDS:
            return page.time, bool(page.flags & _LAST)
    return 0, False
