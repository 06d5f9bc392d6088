"""Find the recordings of joined WAV or AIFF files (`cat a.wav b.wav`): each has its own header, with its own length.

FFmpeg stops at the end of the first. Sources: Multimedia Programming Interface and Data Specifications 1.0 (RIFF),
EBU Tech 3306 (RF64), EA IFF 85 (FORM).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Literal

from unbraid.audio.tag_blocks import Range, declared_size, trailing_tags_start

_START = re.compile(rb"(?:RIFF|RF64|BW64).{4}WAVE|FORM.{4}AIF[FC]", re.DOTALL)
_NEXT = re.compile(_START.pattern + rb"|ID3[\x02-\x04]|TAG|APETAGEX", re.DOTALL)
_WITH_64_BITS = (b"RF64", b"BW64")
_HEAD = 12  # bytes: mark, size, kind
_DS64 = 24  # bytes: mark and size of the chunk "ds64", size of the file, size of the sound
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
_CHUNK_NAME = re.compile(rb"[ -~]{4}")
_UNKNOWN = (0, 0xFFFFFFFF)  # sizes from programs that write to a pipe; FFmpeg reads to the end then
_STEP = 1 << 20  # bytes to read at once
_MOST_CHUNKS = 1000  # of a recording, or tags between two: more than any program writes
_MOST_TRIES = 10_000  # headers that are looked at within a recording


def is_start(head: bytes) -> bool:
    """Whether a WAV or AIFF file starts with `head`."""
    return _START.match(head) is not None


def links(file: BinaryIO, start: int, end: int, most: int) -> list[Range]:
    """Return the recordings between `start` and `end`, without tags between them. Stops after `most` recordings."""
    found: list[Range] = []
    searched_to = end  # behind it is no start: each byte is searched once, however many recordings there are
    while len(found) < most - 1:
        stop = _declared_end(file, start, end)
        following = _next_start(file, stop, searched_to)
        if following >= searched_to:
            following = end
            if searched_to < end or _after_tags(file, stop, end) < end:
                # If the recording was cut short, the header of the next one is within its declared size.
                stop, behind = _start_within(file, start + _HEAD, stop, end), stop
                following, searched_to = stop, min(searched_to, behind + _HEAD)
        if following == end:
            break
        found.append((start, stop))
        start = following
    return [*found, (start, end)]


def unread_bytes(file: BinaryIO) -> int:
    """Return the bytes after the end that a WAV or AIFF file declares, without tags and zeros. FFmpeg skips them."""
    file.seek(0)
    if not is_start(file.read(_HEAD)):
        return 0
    end = file.seek(0, 2)
    stop = _declared_end(file, 0, end)
    end = trailing_tags_start(file, stop, end)
    return max(0, end - _after_tags(file, stop, end))


def _declared_end(file: BinaryIO, start: int, end: int) -> int:
    """Return the end of the chunks of the recording that starts at `start`, at most `end`."""
    file.seek(start)
    head = file.read(_HEAD + _DS64)
    order: Literal["little", "big"] = "big" if head.startswith(b"FORM") else "little"
    declared, sound = int.from_bytes(head[4:8], order), None
    if head.startswith(_WITH_64_BITS) and head[12:16] == b"ds64":
        declared, sound = int.from_bytes(head[20:28], "little"), int.from_bytes(head[28:36], "little")
    at = start + _HEAD
    for _ in range(_MOST_CHUNKS):
        file.seek(at - 1)
        before = file.read(1 + _HEAD)  # the padding of the chunk before, which may be missing
        chunk = before[1:]
        if is_start(before) and at > start + _HEAD:
            return at - 1
        if is_start(chunk):
            return at
        is_tag = chunk.startswith(b"LYRICSBEGIN") or (chunk.startswith(_TAGS) and declared_size(file, at))
        if is_tag or not _CHUNK_NAME.match(chunk):
            break
        size = int.from_bytes(chunk[4:8], order)
        if chunk.startswith(b"data"):
            file.seek(at + 8)
            if sound is not None:
                size = sound
            elif size in _UNKNOWN and not is_start(file.read(_HEAD)):
                return end
        at += 8 + size + size % 2
        if at >= end:
            return end
    # Chunks without padding, or with other names, end where the header says.
    stop = start + 8 + declared
    return max(at, stop) if stop <= end else at


def _next_start(file: BinaryIO, at: int, end: int) -> int:
    """Return the start of the next recording from `at` on, behind tags; `end` if there is none.

    If a recording was cut short, `at` may be within the cover of a tag. Bytes there may look like a tag.
    """
    after_tag = at
    for _ in range(_MOST_CHUNKS):
        found = next(_matches(_NEXT, file, at, end), None)
        if found is None:
            break
        at, mark = found
        if is_start(mark):
            return at
        size = declared_size(file, at)
        if size and (at == after_tag or _may_end_tag(file, at + size)):
            at = after_tag = at + size
        else:
            at += 1
    return end


def _may_end_tag(file: BinaryIO, at: int) -> bool:
    """Whether a recording or a tag follows from `at`, or the file ends there."""
    file.seek(at)
    head = file.read(_HEAD)
    at_end = not head and at == file.seek(0, 2)
    return at_end or head.startswith((b"LYRICSBEGIN", *_TAGS)) or is_start(head)


def _start_within(file: BinaryIO, at: int, stop: int, end: int) -> int:
    """Return the start of a recording between `at` and `stop` that ends after `stop`; `end` if there is none."""
    for tries, (first, mark) in enumerate(_matches(_START, file, at, min(stop + _HEAD, end))):
        size = int.from_bytes(mark[4:8], "big" if mark.startswith(b"FORM") else "little")
        if first < stop < first + 8 + size:
            return first
        if tries == _MOST_TRIES:
            break
    return end


def _matches(pattern: re.Pattern[bytes], file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the position and the bytes of each match of `pattern` between `at` and `end`."""
    step = 1 << 12  # the next match is usually near
    while at < end:
        file.seek(at)
        chunk = file.read(min(step, end - at))
        if not chunk:
            return
        after = 0
        for found in pattern.finditer(chunk):
            yield at + found.start(), found.group()
            after = found.end()
        at += max(after, len(chunk) - _HEAD + 1, 1)
        step = min(4 * step, _STEP)


def _after_tags(file: BinaryIO, at: int, end: int) -> int:
    """Return the position after the zeros and tags that start at `at`, at most `end`."""
    for _ in range(_MOST_CHUNKS):
        while at < end:
            file.seek(at)
            chunk = file.read(min(_STEP, end - at))
            rest = len(chunk.lstrip(b"\0"))
            at += max(len(chunk) - rest, 0 if chunk else end - at)
            if rest:
                break
        size = declared_size(file, at) if at < end else 0
        if size == 0:
            break
        at += size
    return min(at, end)
