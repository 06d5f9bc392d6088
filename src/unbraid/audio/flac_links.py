"""Find the recordings of joined FLAC files (RFC 9639): each has its own header, with its own length and rate.

FFmpeg reads joined files as one, but compares them with the first header, and loses frames around tags between them. If
a header is damaged, FFmpeg skips sound, or refuses the file. It gets a new header then.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from unbraid.audio.flac_frames import (
    STREAMINFO,
    Frame,
    first_frame,
    frame_at,
    has_raw_frames,
    is_in_frame,
    shape_of,
    streaminfo,
)
from unbraid.audio.tag_blocks import Range, declared_size, marked_blocks, trailing_tags_start

MARK = b"fLaC"
# A stream starts with the mark and the block STREAMINFO, which has 34 bytes (sections 6 and 8.2).
_STARTS = (MARK + b"\x00\x00\x00\x22", MARK + b"\x80\x00\x00\x22")
_STREAMINFO_END = 4 + 4 + STREAMINFO
_LAST_BLOCK = 0x80
_LAST_TYPE = 6  # of metadata: a picture
_BEHEADED = 1 << 16  # bytes in which frames without a header in front are sought
# Tags in a file behind which frames without a header are sought, and marks of tags to look at. Only files that were
# made to take long have more. A random mark occurs once in 16 MB.
_MOST_TAGS, _MOST_MARKS = 20, 10_000
_TAG_MARKS = (b"ID3\x02", b"ID3\x03", b"ID3\x04", b"APETAGEX", b"TAG")
_MOST_METADATA = 1 << 20  # bytes that are kept of a damaged header
_FIRST_STEP, _STEP = 1 << 16, 1 << 22  # bytes to read at once


class Link(NamedTuple):
    """A recording."""

    range: Range
    head: bytes = b""
    """New header, which belongs in front of the range; empty: the range starts with one."""


class _Metadata(NamedTuple):
    """The blocks between the mark and the first frame."""

    end: int
    head: bytes
    """New header, if the blocks are damaged."""


def is_beheaded(file: BinaryIO, start: int) -> bool:
    """Whether the file has frames of FLAC from `start` on, without a header in front."""
    return has_raw_frames(file, start, start + _BEHEADED)


def links(file: BinaryIO, start: int, end: int, most: int) -> list[Link]:
    """Return the recordings between `start` and `end`, without tags between them. Stops after `most` recordings."""
    found: list[tuple[int, _Metadata]] = []
    at, search = start, _Search(file)
    while at < end and len(found) < most:
        found.append((at, _metadata(file, at, end)))
        at = search.next_recording(found[-1][1].end, end)
    ends = [*(at for at, _ in found[1:]), end]
    result = []
    for (first, metadata), last in zip(found, ends, strict=True):
        first = metadata.end if metadata.head else first
        result.append(Link((first, _without_tags(file, first, last, end)), metadata.head))
    return result


def _metadata(file: BinaryIO, at: int, end: int) -> _Metadata:
    """Read the metadata of the stream at `at`. Its pictures may contain anything."""
    blocks = _blocks(file, at, end)
    is_whole = bool(blocks) and _is_whole(file, blocks)
    if is_whole and frame_at(file, blocks[-1][1]):
        return _Metadata(blocks[-1][1], b"")
    # The header is damaged if frames start before its end, or somewhere after a header that has no end.
    searched_from = at + _STREAMINFO_END if blocks else at
    frame = first_frame(file, searched_from, min(end, _next_start(file, at + 1, end)))
    if frame is None or (is_whole and blocks[-1][1] <= frame.at):
        after = blocks[-1][1] if blocks else at + _STREAMINFO_END
        return _Metadata(after if after <= end else at + _STREAMINFO_END, b"")
    return _Metadata(frame.at, _new_head(file, [block for block in blocks if block[1] <= frame.at], frame))


def _blocks(file: BinaryIO, at: int, end: int) -> list[Range]:
    """Return the blocks of metadata up to the last one, or up to one that can't be a block."""
    file.seek(at)
    if not file.read(_STREAMINFO_END).startswith(_STARTS):
        return []
    blocks: list[Range] = []
    block = at + len(MARK)
    while block < end:
        file.seek(block)
        head = file.read(4)
        kind = head[0] & ~_LAST_BLOCK if len(head) == 4 else _LAST_TYPE + 1
        if kind > _LAST_TYPE or (kind == 0 and blocks):  # a second STREAMINFO
            break
        blocks.append((block, block + 4 + int.from_bytes(head[1:], "big")))
        block = blocks[-1][1]
        if head[0] & _LAST_BLOCK:
            break
    return blocks


def _is_whole(file: BinaryIO, blocks: list[Range]) -> bool:
    """Whether the last of the blocks is marked as the last."""
    file.seek(blocks[-1][0])
    return bool(file.read(1)[0] & _LAST_BLOCK)


def _new_head(file: BinaryIO, blocks: list[Range], frame: Frame) -> bytes:
    """Return a header with these blocks, which ends before `frame`."""
    contents = []
    for start, end in blocks:
        if end - blocks[0][0] < _MOST_METADATA:
            file.seek(start)
            contents.append(file.read(end - start))
    if not contents or shape_of(contents[0][4:]) != frame.shape:
        contents = [b"\x00" + STREAMINFO.to_bytes(3, "big") + streaminfo(frame), *contents[1:]]
    flagged = [bytes([one[0] & ~_LAST_BLOCK]) + one[1:] for one in contents]
    flagged[-1] = bytes([flagged[-1][0] | _LAST_BLOCK]) + flagged[-1][1:]
    return MARK + b"".join(flagged)


def _next_start(file: BinaryIO, at: int, end: int) -> int:
    """Return the position of the next stream from `at` on; `end` if there is none."""
    step = _FIRST_STEP
    while at < end:
        file.seek(at)
        chunk = file.read(min(step, end - at))
        found = [place for start in _STARTS if (place := chunk.find(start)) >= 0]
        if found:
            return at + min(found)
        at += max(len(chunk) - len(_STARTS[0]) + 1, 1)
        step = min(2 * step, _STEP)
    return end


class _Search:
    """Looks for recordings in a file, in order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._tags, self._marks = iter(range(_MOST_TAGS)), iter(range(_MOST_MARKS))
        self._seen: set[int] = set()
        """Positions of tags behind other tags, which have been looked at together."""

    def next_recording(self, at: int, end: int) -> int:
        """Return the position of the next stream from `at` on, or of frames without a header behind tags; or `end`.

        FFmpeg loses frames around a tag.
        """
        file, start = self._file, _next_start(self._file, at, end)
        for first in heapq.merge(*(_positions(file, at, start, mark) for mark in _TAG_MARKS)):
            if next(self._marks, None) is None:
                break
            if first in self._seen or not first < (after := self._end_of_tags(first)) < start:
                continue
            if next(self._tags, None) is None:
                break
            if not _is_sound(file, first, after, start) and has_raw_frames(
                file, after, min(after + _BEHEADED, start)
            ):
                return after
        return start

    def _end_of_tags(self, first: int) -> int:
        """Return the end of the tags that follow each other from `first` on."""
        while (size := declared_size(self._file, first)) and first not in self._seen:
            self._seen.add(first)
            first += size
        return first


def _is_sound(file: BinaryIO, first: int, after: int, end: int) -> bool:
    """Whether bytes that look like a tag are sound: they are in a frame, or there are frames in them."""
    return is_in_frame(file, first, end) or has_raw_frames(file, first, min(after, first + _BEHEADED))


def _positions(file: BinaryIO, at: int, end: int, mark: bytes) -> Iterator[int]:
    """Yield the positions of a mark between `at` and `end`."""
    for first in range(at, end, _STEP):
        file.seek(first)
        chunk = file.read(min(_STEP + len(mark) - 1, end - first))
        place = chunk.find(mark)
        while place >= 0:
            yield first + place
            place = chunk.find(mark, place + 1)


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
