"""Find the bytes of an MP3, AAC (ADTS) or AC-3 file that are not frames: tags between joined files, inserted zeros.

A frame's header says how long the frame is, so the next header follows directly. If other bytes follow, they are a gap:

- Blocks with a size (ID3, APE, Lyrics3) take no time, wherever they are. A block that was cut short has frames within
  its declared size that continue after it. Only its bytes up to the first of these frames take no time.
- Zeros take no time if the gap has only zeros and blocks: then the gap starts after a whole frame and ends at the next
  header, so no frame is damaged.
- All other bytes are damaged frames, which keep their time.

Sources: ISO/IEC 11172-3 and 13818-3 (section 2.4.2.3, header), ISO/IEC 13818-7 (section 6.2, ADTS), ETSI TS 102 366
(section 4.4.1 with table 4.13 for AC-3, section E.1.3.1 for E-AC-3).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from unbraid.audio.file_view import FilePart, file_identity
from unbraid.audio.tag_blocks import ID3V1, Range, declared_size, leading_id3_size, marked_blocks

_STEP = 1 << 16  # bytes to read at once
_STEP_OF_ZEROS = 1 << 12  # gaps are short, or have no zeros at all
_HEAD = 7  # bytes of an ADTS header without checksum; an MP3's has 4
_SAME_AFTER_DAMAGE = 4  # headers that have to agree: a random match takes 2**30 bytes of garbage or more
_SAME_AFTER_BLOCK = 2
# Tags, headers and gaps to look at: 20 hours in segments of 6 s have fewer, and looking takes 2 s at most. Only files
# that were made to take long have more.
_MOST_CHECKS = 50_000
_BYTES_PER_CHECK = 4096  # that are searched in the same time

# kbit/s by [MPEG version 1][layer - 1][index]; 0: free format, whose frames have no declared length.
_KBITS = {
    True: (
        (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    ),
    False: (
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    ),
}
_RATES = (44100, 48000, 32000)  # Hz in MPEG 1; half in MPEG 2, a quarter in MPEG 2.5


def mpeg_length(head: bytes) -> int:
    """Return the length in bytes of the MPEG audio frame with this header; 0 if it is not a header."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits_index, rate_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or kbits_index in (0, 15) or rate_index == 3:
        return 0
    is_mpeg1 = version == 3
    bits = 1000 * _KBITS[is_mpeg1][layer - 1][kbits_index]
    rate = _RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    return (72 if layer == 3 and not is_mpeg1 else 144) * bits // rate + padding


def adts_length(head: bytes) -> int:
    """Return the length in bytes of the ADTS frame with this header; 0 if it is not a header."""
    if len(head) < _HEAD or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > _HEAD else 0


def ac3_length(head: bytes) -> int:
    """Return the length in bytes of the AC-3 or E-AC-3 frame with this header; 0 if it is not a header."""
    if len(head) < _HEAD or not head.startswith(b"\x0b\x77"):
        return 0
    version = head[5] >> 3
    if version > 16:
        return 0
    if version > 10:  # E-AC-3
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate_index, size_index = head[4] >> 6, head[4] & 63
    if rate_index == 3 or size_index >= 2 * len(_AC3_KBITS):
        return 0
    # A frame has 1536 samples, in words of two bytes. At 44.1 kHz every other size has one word more.
    words = 1536 * 1000 * _AC3_KBITS[size_index // 2] // (_AC3_RATES[rate_index] * 16)
    return 2 * (words + (size_index & 1 if rate_index == 1 else 0))


_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48000, 44100, 32000)  # Hz


class _Format(NamedTuple):
    length: Callable[[bytes], int]
    """Length in bytes of the frame with this header; 0: not a header."""
    shared: tuple[int, int]
    """Bits of bytes 1 and 2 that all frames of a stream share: version, layer, sample rate."""
    start: re.Pattern[bytes]
    """Matches all headers, and some other bytes."""


# By FFmpeg's name of the container.
_FORMATS = {
    "mp3": _Format(mpeg_length, (0xFE, 0x0C), re.compile(rb"\xff(?=[\xe2-\xff][\x10-\xef])")),
    "aac": _Format(adts_length, (0xFE, 0xFC), re.compile(rb"\xff(?=[\xf0\xf1\xf8\xf9])")),
    "ac3": _Format(ac3_length, (0xFF, 0), re.compile(rb"\x0b(?=\x77)")),
    "eac3": _Format(ac3_length, (0xFF, 0), re.compile(rb"\x0b(?=\x77)")),
}


class Frames(NamedTuple):
    """What a walk along the frames of a file found."""

    ranges: tuple[Range, ...] | None = None
    """Byte ranges of the file without those that take no time; None if that is the whole file."""
    number: int | None = None
    """Number of frames, with the one that holds a length header; None: unknown."""


def frames_of(part: FilePart, container_name: str) -> Frames:
    """Walk along the frames of a file, or return the result of the last walk if the file is unchanged."""
    return _remembered(part, container_name, file_identity(part.path))


@lru_cache(maxsize=4)  # a song is opened three times: probed, and read in two passes
def _remembered(part: FilePart, container_name: str, identity: tuple[int, ...]) -> Frames:
    with part.open() as file:
        return walk(file, container_name)


def walk(file: BinaryIO, container_name: str) -> Frames:
    """Find the frames of an MP3, AAC or AC-3 file. Nothing is known of other files, and of those with too many gaps.

    Tags at the start, and an ID3v1 tag at the end, stay in the ranges: FFmpeg reads and skips them.
    """
    if container_name not in _FORMATS:
        return Frames()
    try:
        return _Walk(file, _FORMATS[container_name]).frames()
    except _TooManyChecksError:
        return Frames()


class _TooManyChecksError(Exception):
    pass


class _Walk:
    """One walk along all frames of a file."""

    def __init__(self, file: BinaryIO, format: _Format) -> None:
        self._file = file
        self._length, self._shared, self._start = format
        self._size = file.seek(0, 2)
        self._frames = 0
        self._last = 0  # start of the last frame
        self._left_out: list[Range] = []
        self._checks = 0

    def frames(self) -> Frames:
        at = self._last = leading_id3_size(self._file)
        if at and not self._is_whole((0, at)):
            self._last = -1
            at = self._gap(0)
        while at < self._size:
            at, last, count = self._follow(at, self._size)
            self._last = last if count else self._last
            self._frames += count
            if at < self._size:
                at = self._gap(at)
        left_out = sorted(self._left_out)
        if left_out and left_out[-1] == (self._size - ID3V1, self._size):
            left_out.pop()
        ranges = tuple(_complement(left_out, self._size)) if left_out and self._frames else None
        return Frames(ranges, self._frames)

    def _check(self, count: int = 1) -> None:
        self._checks += count
        if self._checks > _MOST_CHECKS:
            raise _TooManyChecksError

    def _follow(self, at: int, stop: int) -> tuple[int, int, int]:
        """Follow frame after frame from `at` until `stop`. Return the last one's end and start, and their number."""
        length_of = self._length
        last, count = at, 0
        while True:
            chunk, start = self._read(at, _STEP), at
            is_last = len(chunk) < _STEP
            end = min(stop, start + len(chunk) - (0 if is_last else _HEAD))
            while at < end:
                length = length_of(chunk[at - start : at - start + _HEAD])
                if length == 0:
                    return at, last, count
                last = at
                count += 1
                at += length
            if is_last or at >= stop:
                return at, last, count

    def _gap(self, at: int) -> int:
        """Classify the bytes from `at` to the next frame, and return the position of that frame."""
        zeros: list[Range] = []
        is_damaged = False
        frame = 0  # position of the next frame after damage
        # A tag may cut off the last frame.
        searched = self._last + 1
        block = self._find_block(searched, at, at)
        while at < self._size:
            self._check()
            if block is not None:
                self._left_out.append(block)
                at = searched = block[1]
                block = None
            elif (size := declared_size(self._file, at)) and self._is_whole((at, at + size)):
                block = at, at + size
            elif (end := self._end_of_zeros(at)) > at:
                zeros.append((at, end))
                at = end
            elif self._is_frame(at, _SAME_AFTER_BLOCK):
                break
            else:
                frame = frame if frame > at else self._next_frame(at + 1, self._size)
                block = self._find_block(searched, frame, at)
                if size:  # the beginning of a block that was cut short
                    self._left_out.append((at, frame if block is None else max(at, block[0])))
                else:
                    is_damaged = is_damaged or block is None or block[0] > at
                if block is None:
                    at = frame
                    break
        if not is_damaged:
            self._left_out += zeros
        return at

    def _find_block(self, start: int, end: int, beyond: int) -> Range | None:
        """Return the first block between `start` and `end` that ends after position `beyond`, or has frames behind it.

        It may be several blocks, one after another. If the frame before it was cut short, `beyond` is where that frame
        would have ended. A block shorter than the missing bytes ends before that position.
        """
        for first, after in marked_blocks(self._file, start, end):
            self._check()
            if first < start or first >= after:
                continue
            while after <= beyond and (size := declared_size(self._file, after)):
                self._check()
                after += size
            is_shorter = after <= beyond and self._is_frame(after, _SAME_AFTER_BLOCK)
            if is_shorter or (after > beyond and self._is_whole((first, after))):
                return first, after
        return None

    def _is_whole(self, block: Range) -> bool:
        """Whether a block was not cut short: the file doesn't end within it, and no frames or blocks cross its end."""
        start, end = block
        if end >= self._size:
            return end == self._size
        if self._is_frame(end, _SAME_AFTER_BLOCK):
            return True
        self._check((end - start) // _BYTES_PER_CHECK)
        at = self._next_frame(start + 1, end)
        while at < end:
            stopped, _, _ = self._follow(at, end)
            at = stopped + (0 if stopped >= end else declared_size(self._file, stopped))
            if at == stopped:
                break
        return not (self._continues_at(at, end) or self._has_block_across(start, end))

    def _has_block_across(self, start: int, end: int) -> bool:
        for block in marked_blocks(self._file, start + 1, end):
            self._check()
            if start < block[0] < end and self._continues_at(block[1], end):
                return True
        return False

    def _continues_at(self, at: int, end: int) -> bool:
        """Whether `at` is a position after `end` where the file ends or frames follow."""
        return at > end and (at == self._size or self._is_frame(at, _SAME_AFTER_BLOCK))

    def _end_of_zeros(self, at: int) -> int:
        while chunk := self._read(at, _STEP_OF_ZEROS):
            rest = len(chunk.lstrip(b"\0"))
            at += len(chunk) - rest
            if rest:
                break
        return at

    def _next_frame(self, at: int, end: int) -> int:
        """Return the position of the next frame after damage that starts before `end`; `end` if there is none."""
        while at < end and (chunk := self._read(at, _STEP + 2)):
            for found in self._start.finditer(chunk):
                if found.start() >= min(_STEP, end - at):
                    break
                self._check()
                if self._is_frame(at + found.start(), _SAME_AFTER_DAMAGE):
                    return at + found.start()
            at += _STEP
        return end

    def _is_frame(self, at: int, count: int) -> bool:
        """Whether `count` headers of the same stream follow each other from `at`, or fewer up to the end or a tag."""
        first: tuple[int, int] | None = None
        for number in range(count):
            head = self._read(at, _HEAD)
            length = self._length(head)
            if length == 0:
                return number > 0 and (at >= self._size or declared_size(self._file, at) > 0)
            shared = head[1] & self._shared[0], head[2] & self._shared[1]
            if first not in (None, shared):
                return False
            first = shared
            at += length
        return True

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)


def _complement(ranges: list[Range], size: int) -> list[Range]:
    """Return the parts of a file of `size` bytes that are not in the sorted `ranges`."""
    kept: list[Range] = []
    start = 0
    for first, last in ranges:
        if first > start:
            kept.append((start, first))
        start = max(start, last)
    if start < size:
        kept.append((start, size))
    return kept
