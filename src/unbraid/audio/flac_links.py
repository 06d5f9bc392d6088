"""Find the recordings of joined FLAC files (RFC 9639): each has its own header, with its own length and rate.

FFmpeg reads joined files as one, but compares them with the first header, and loses sound if a tag of megabytes follows
the first recording.
"""

from __future__ import annotations

from typing import BinaryIO

from unbraid.audio.tag_blocks import Range, marked_blocks, trailing_tags_start

MARK = b"fLaC"
# A stream starts with the mark and the block STREAMINFO, which has 34 bytes (sections 6 and 8.2).
_STARTS = (MARK + b"\x00\x00\x00\x22", MARK + b"\x80\x00\x00\x22")
_STREAMINFO_END = 4 + 4 + 34
_LAST_BLOCK = 0x80
_STEP = 1 << 22  # bytes to read at once


def links(file: BinaryIO, start: int, end: int) -> list[Range]:
    """Return the recordings between `start` and `end`, without tags between them."""
    starts = [start]
    while (found := _next_start(file, _metadata_end(file, starts[-1], end), end)) < end:
        starts.append(found)
    bounds = zip(starts, [*starts[1:], end], strict=True)
    return [(first, _without_tags(file, first, last, end)) for first, last in bounds]


def _metadata_end(file: BinaryIO, at: int, end: int) -> int:
    """Return the end of the metadata of the stream at `at`. Its pictures may contain anything."""
    first = at + len(MARK)
    block = first
    while block < end:
        file.seek(block)
        head = file.read(4)
        block += 4 + int.from_bytes(head[1:], "big")
        if len(head) < 4 or head[0] & _LAST_BLOCK:
            break
    return block if block <= end else at + _STREAMINFO_END


def _next_start(file: BinaryIO, at: int, end: int) -> int:
    """Return the position of the next stream from `at` on; `end` if there is none."""
    while at < end:
        file.seek(at)
        chunk = file.read(min(_STEP, end - at))
        found = [place for start in _STARTS if (place := chunk.find(start)) >= 0]
        if found:
            return at + min(found)
        at += max(len(chunk) - len(_STARTS[0]) + 1, 1)
    return end


def _without_tags(file: BinaryIO, start: int, end: int, file_end: int) -> int:
    """Return the end of a recording whose last bytes, up to `end`, may be tags, also those of the next recording."""
    if end == file_end:
        return end
    at = start
    for first, after in marked_blocks(file, start, end):
        if first < at or first >= after:
            continue
        at = after
        if at == end:
            return _without_tags(file, start, first, file_end)
    return min(end, trailing_tags_start(file, start, end))
