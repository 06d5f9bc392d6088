"""Find the bytes of an MP3 or AAC (ADTS) file that are not frames: tags between joined files, inserted zeros.

A frame's header says how long the frame is, so the next header follows directly. If other bytes follow, they are a gap:

- Blocks with a size (ID3, APE, Lyrics3) take no time, wherever they are.
- Zeros take no time if the gap has only zeros and blocks: then the gap starts after a whole frame and ends at the next
  header, so no frame is damaged.
- All other bytes are damaged frames, which keep their time.

Sources: ISO/IEC 11172-3 and 13818-3 (section 2.4.2.3, header), ISO/IEC 13818-7 (section 6.2, ADTS).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from unbraid.audio.tag_blocks import ID3V1, Range, block_at, find_block, leading_id3_size

_STEP = 1 << 16  # bytes to read at once
_HEAD = 7  # bytes of an ADTS header without checksum; an MP3's has 4
_SAME_AFTER_DAMAGE = 4  # headers that have to agree: a random match takes 2**30 bytes of garbage or more
_SAME_AFTER_BLOCK = 2

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


# By FFmpeg's name of the container: the length of a frame, and the bits of bytes 1 and 2 that all frames of a stream
# share (version, layer, sample rate).
_FORMATS: dict[str, tuple[Callable[[bytes], int], tuple[int, int]]] = {
    "mp3": (mpeg_length, (0xFE, 0x0C)),
    "aac": (adts_length, (0xFE, 0xFC)),
}


def ranges_of_audio(file: BinaryIO, container_name: str) -> list[Range] | None:
    """Return the byte ranges of the file without those that take no time; None if that is the whole file.

    Tags at the start, and an ID3v1 tag at the end, stay: FFmpeg reads and skips them.
    """
    return _Walk(file, container_name).ranges() if container_name in _FORMATS else None


class _Walk:
    """One walk along all frames of a file."""

    def __init__(self, file: BinaryIO, container_name: str) -> None:
        self._file = file
        self._length, self._shared = _FORMATS[container_name]
        self._size = file.seek(0, 2)
        self._frames = 0
        self._last = 0  # start of the last frame
        self._left_out: list[Range] = []

    def ranges(self) -> list[Range] | None:
        at = self._last = leading_id3_size(self._file)
        while at < self._size:
            at = self._follow(at)
            if at < self._size:
                at = self._gap(at)
        if self._frames == 0:
            return None
        left_out = sorted(self._left_out)
        if left_out and left_out[-1] == (self._size - ID3V1, self._size):
            left_out.pop()
        return _complement(left_out, self._size) if left_out else None

    def _follow(self, at: int) -> int:
        """Follow frame after frame from `at`, and return the end of the last one."""
        length_of = self._length
        while True:
            chunk, start = self._read(at, _STEP), at
            is_last = len(chunk) < _STEP
            end = start + len(chunk) - (0 if is_last else _HEAD)
            while at < end:
                length = length_of(chunk[at - start : at - start + _HEAD])
                if length == 0:
                    return at
                self._last = at
                self._frames += 1
                at += length
            if is_last:
                return at

    def _gap(self, at: int) -> int:
        """Classify the bytes from `at` to the next frame, and return the position of that frame."""
        zeros: list[Range] = []
        is_damaged = False
        frame = 0  # position of the next frame after damage
        # A tag may cut off the last frame.
        searched = self._last + 1
        block = find_block(self._file, searched, at, at)
        while at < self._size:
            if block is not None:
                self._left_out.append(block)
                at = searched = block[1]
                block = None
            elif size := block_at(self._file, at):
                block = at, at + size
            elif (end := self._end_of_zeros(at)) > at:
                zeros.append((at, end))
                at = end
            elif self._is_frame(at, _SAME_AFTER_BLOCK):
                break
            else:
                frame = frame if frame > at else self._next_frame(at + 1)
                block = find_block(self._file, searched, frame, at)
                is_damaged = is_damaged or block is None or block[0] > at
                if block is None:
                    at = frame
                    break
        if not is_damaged:
            self._left_out += zeros
        return at

    def _end_of_zeros(self, at: int) -> int:
        while chunk := self._read(at, _STEP):
            rest = len(chunk.lstrip(b"\0"))
            at += len(chunk) - rest
            if rest:
                break
        return at

    def _next_frame(self, at: int) -> int:
        """Return the position of the next frame after damage, or the end of the file."""
        while chunk := self._read(at, _STEP):
            found = chunk.find(b"\xff")
            while found >= 0:
                is_possible = self._length(chunk[found : found + _HEAD]) or found > len(chunk) - _HEAD
                if is_possible and self._is_frame(at + found, _SAME_AFTER_DAMAGE):
                    return at + found
                found = chunk.find(b"\xff", found + 1)
            at += len(chunk)
        return self._size

    def _is_frame(self, at: int, count: int) -> bool:
        """Whether `count` headers of the same stream follow each other from `at`, or fewer up to the end or a tag."""
        first: tuple[int, int] | None = None
        for number in range(count):
            head = self._read(at, _HEAD)
            length = self._length(head)
            if length == 0:
                return number > 0 and (at >= self._size or block_at(self._file, at) > 0)
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
