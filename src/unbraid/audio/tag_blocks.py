"""Find blocks of tags among a file's bytes: ID3v1, ID3v2, APE and Lyrics3. All have a fixed or a declared size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from unbraid.audio.lame import id3_size

Range = tuple[int, int]
"""Start and end of a part of a file, in bytes."""

ID3V1 = 128  # bytes
_ID3V1_EXTENDED = 227  # bytes, in front of an ID3v1 tag
_APE_HEAD = 32  # bytes of a header or a footer (APEv2 specification)
_APE_VERSIONS = (1000, 2000)
_IS_HEADER = 1 << 29  # in the flags of APEv2
_LYRICS_BEGIN = b"LYRICSBEGIN"
_LONGEST_LYRICS_1 = 5120  # bytes, without end mark (Lyrics3 v1)
_MARKS = re.compile(rb"ID3[\x02-\x04]|TAG|APETAGEX|LYRICSEND|[0-9]{6}LYRICS200")
_LONGEST_MARK = 15
_STEP = 1 << 16  # bytes to read at once


def leading_id3_size(file: BinaryIO) -> int:
    """Return the bytes of all ID3v2 tags at the start of a file. Some editors put a new tag in front of the old one."""
    size = 0
    while True:
        file.seek(size)
        tag = _id3v2_size(file.read(10))
        if tag == 0:
            return size
        size += tag


def declared_size(file: BinaryIO, at: int) -> int:
    """Return the size in bytes that the block at `at` declares, perhaps more than the file has; 0: no block."""
    file.seek(at)
    head = file.read(_APE_HEAD)
    if head.startswith(b"ID3"):
        return _id3v2_size(head)
    if head.startswith(b"TAG"):
        return _ID3V1_EXTENDED if head.startswith(b"TAG+") else ID3V1
    if head.startswith(b"APETAGEX"):
        items_and_footer, is_header = _ape_size(head)
        if items_and_footer:
            return _APE_HEAD + (items_and_footer if is_header else 0)
    return 0


def trailing_tags(file: BinaryIO, start: int, end: int) -> Iterator[Range]:
    """Yield the tags that end at `end`, the last one first. Tags before `start` don't count.

    An ID3v2 tag at the end has a footer (ID3v2.4, section 3.4).
    """
    while end > start:
        first = _start_of_tag_before(file, end)
        if first >= end or first < start:
            break
        yield first, end
        end = first


def trailing_tags_start(file: BinaryIO, start: int, end: int) -> int:
    """Return the position of the first of `trailing_tags`; `end` if there are none."""
    return min((first for first, _ in trailing_tags(file, start, end)), default=end)


def ape_items(file: BinaryIO, end: int) -> Range:
    """Return the items of the APE tag that ends at `end`; an empty range if none does."""
    file.seek(max(0, end - _APE_HEAD))
    footer = file.read(_APE_HEAD)
    size, is_header = _ape_size(footer) if footer.startswith(b"APETAGEX") else (0, False)
    return (end - size, end - _APE_HEAD) if size and not is_header else (end, end)


def _start_of_tag_before(file: BinaryIO, end: int) -> int:
    """Return the start of the tag that ends at `end`; `end` if none does."""
    at = max(0, end - ID3V1)
    file.seek(at)
    tail = file.read(end - at)
    if len(tail) == ID3V1 and tail.startswith(b"TAG"):
        file.seek(max(0, at - _ID3V1_EXTENDED))
        return at - _ID3V1_EXTENDED if file.read(4) == b"TAG+" else at
    if tail[-_APE_HEAD:].startswith(b"APETAGEX"):
        size, is_header = _ape_size(tail[-_APE_HEAD:])
        has_header = tail[-_APE_HEAD:][23] & 0x80
        return end - size - (_APE_HEAD if has_header else 0) if size and not is_header else end
    if tail[-10:].startswith(b"3DI"):
        size = _id3v2_size(b"ID3" + tail[-7:])
        file.seek(max(0, end - size))
        return end - size if size and file.read(3) == b"ID3" else end
    for mark in (tail[-15:], tail[-9:]):
        if b"LYRICS" in mark and _MARKS.fullmatch(mark):
            start, after = _block_of(file, end - len(mark), mark)
            return start if start < after else end
    return end


def marked_blocks(file: BinaryIO, start: int, end: int) -> Iterator[Range]:
    """Yield the block of each mark between `start` and `end`; it may start or end outside. Empty: the mark is not one.

    Lyrics3, and APE tags without a header, are found by the mark at their end.
    """
    for at in range(start, end, _STEP):
        file.seek(at)
        chunk = file.read(min(_STEP, end - at) + _LONGEST_MARK)
        for mark in _MARKS.finditer(chunk):
            yield _block_of(file, at + mark.start(), mark.group())


def _block_of(file: BinaryIO, at: int, mark: bytes) -> Range:
    """Return the block to which the `mark` at position `at` belongs; (at, at) if there is none."""
    if mark.startswith(b"LYRICS") or mark.endswith(b"LYRICS200"):
        longest = int(mark[:6]) if mark.endswith(b"LYRICS200") else _LONGEST_LYRICS_1
        start = max(0, at - longest)
        file.seek(start)
        first = file.read(at - start if mark.startswith(b"LYRICS") else len(_LYRICS_BEGIN)).rfind(
            _LYRICS_BEGIN
        )
        return (start + first, at + len(mark)) if first >= 0 else (at, at)
    size = declared_size(file, at)
    if size == _APE_HEAD and mark == b"APETAGEX":  # a footer
        file.seek(at)
        return at + _APE_HEAD - _ape_size(file.read(_APE_HEAD))[0], at + _APE_HEAD
    return at, at + size


def _id3v2_size(head: bytes) -> int:
    """Return the bytes of an ID3v2 tag with header and footer; 0 if `head` is not the start of one."""
    if len(head) < 10 or head[:3] != b"ID3" or head[3] not in (2, 3, 4) or max(head[6:10]) >= 0x80:
        return 0
    has_footer = head[3] == 4 and head[5] & 0x10  # ID3v2.4, section 3.4
    return id3_size(head) + (10 if has_footer else 0)


def _ape_size(head: bytes) -> tuple[int, bool]:
    """Return the bytes of an APE tag's items and footer, and whether `head` is its header; 0 if it is not a tag."""
    if len(head) < _APE_HEAD or int.from_bytes(head[8:12], "little") not in _APE_VERSIONS:
        return 0, False
    size, flags = int.from_bytes(head[12:16], "little"), int.from_bytes(head[20:24], "little")
    return (size, bool(flags & _IS_HEADER)) if size >= _APE_HEAD else (0, False)
