"""Find the frames of FLAC whose header is damaged, and write it anew (RFC 9639).

A frame's header repeats what a decoder needs to know: sample rate, channels, bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple

_LONGEST_HEAD = 16  # bytes (section 9.1)
_SEARCHED = 1 << 21  # bytes in which the first frame is sought; metadata without pictures is smaller
_SYNC = re.compile(rb"\xff[\xf8\xf9](?=[\x10-\xff][\x00-\xaf])")
_SMALL_SIZES = {1: 192, **{code: 576 << code - 2 for code in range(2, 6)}}  # samples (section 9.1.1)
_RATES = (
    0,
    88200,
    176400,
    192000,
    8000,
    16000,
    22050,
    24000,
    32000,
    44100,
    48000,
    96000,
)  # Hz (section 9.1.2)
_BITS = (0, 8, 12, 0, 16, 20, 24, 32)  # per sample (section 9.1.4); 0: see STREAMINFO, or reserved
_MOST_FRAMES = 4  # to look at
_NEAR = 1 << 18  # bytes; frames are shorter (16,384 samples of two channels of 24 bits have 98 kB)
STREAMINFO = 34  # bytes (section 8.2)


def _crc_table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 else 0)
        table.append(value)
    return table


_CRC8 = _crc_table(0x107, 8)  # x^8 + x^2 + x + 1 (section 9.1.8)
_CRC16 = _crc_table(0x18005, 16)  # x^16 + x^15 + x^2 + 1 (section 9.3)


class Frame(NamedTuple):
    """The header of a frame."""

    at: int
    """Position in the file."""
    number: int
    """Number of the frame, or of its first sample."""
    samples: int
    """Size of the block in samples."""
    numbers_samples: bool
    """Whether `number` counts samples: the sizes of blocks vary."""
    shape: tuple[int, int, int]
    """Rate in Hz, channels, bits per sample."""

    def is_before(self, other: Frame) -> bool:
        """Whether `other` can be the next frame of the same recording."""
        step = self.samples if self.numbers_samples else 1
        return (
            self.numbers_samples == other.numbers_samples
            and self.shape == other.shape
            and other.number == self.number + step
        )


def frame_at(file: BinaryIO, at: int) -> Frame | None:
    """Return the frame at a position; None if there is none."""
    file.seek(at)
    return _frame(file.read(_LONGEST_HEAD), at)


def first_frame(file: BinaryIO, start: int, end: int) -> Frame | None:
    """Return the first frame from `start` on that another one follows; None if there are no two."""
    heads = _heads(file, start, min(end, start + _SEARCHED))
    return next((one for one, other in pairwise(heads) if one.is_before(other)), None)


def samples_up_to(file: BinaryIO, end: int) -> int | None:
    """Return the samples of the recording up to its last frame before `end`, by the frame's number.

    None if there are no two frames near the end.
    """
    heads = _heads(file, max(0, end - _NEAR), end)
    for one, last in reversed(list(pairwise(heads))):
        if one.is_before(last):
            # Numbers of frames count blocks of the same size, but the last may be shorter.
            return last.number * (1 if last.numbers_samples else one.samples) + last.samples
    return None


def is_in_frame(file: BinaryIO, at: int, end: int) -> bool:
    """Whether the position is in a whole frame, another one follows, and both are before `end`."""
    after = next(_heads(file, at, min(end, at + _NEAR)), None)
    before = next(_heads(file, max(0, at - _NEAR), at, backwards=True), None)
    if before is None or after is None:
        return False
    file.seek(before.at)
    return _crc16(file.read(after.at - before.at)) == 0


def _heads(file: BinaryIO, start: int, end: int, backwards: bool = False) -> Iterator[Frame]:
    """Yield the frames whose header starts between `start` and `end`, and is within the file."""
    file.seek(start)
    chunk = file.read(max(0, end - start))  # a header may say that it is longer than its file
    places = (found.start() for found in _SYNC.finditer(chunk))
    for place in reversed(list(places)) if backwards else places:
        frame = _frame(chunk[place : place + _LONGEST_HEAD], start + place)
        if frame is not None:
            yield frame


def has_raw_frames(file: BinaryIO, start: int, end: int) -> bool:
    """Whether a whole frame is followed directly by the next one, unlike in containers such as Matroska."""
    at = start
    for _ in range(_MOST_FRAMES):
        frame = first_frame(file, at, end)
        if frame is None:
            return False
        file.seek(frame.at)
        content = file.read(end - frame.at)
        following = (each.start() for each in _SYNC.finditer(content, 1))
        after = next((place for place in following if _frame(content[place : place + _LONGEST_HEAD], 0)), 0)
        if after and _crc16(content[:after]) == 0:  # a frame ends with its sum
            return True
        at = frame.at + 1
    return False


def _crc16(content: bytes) -> int:
    """Return the sum x^16 + x^15 + x^2 + 1 (section 9.3)."""
    crc = 0
    for byte in content:
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
    return crc


def streaminfo(frame: Frame) -> bytes:
    """Return the block STREAMINFO for recordings with such frames: their length and MD5 sum are unknown."""
    rate, channels, bits = frame.shape
    smallest, largest = (16, 65535) if frame.numbers_samples else (frame.samples, frame.samples)
    packed = rate << 44 | channels - 1 << 41 | bits - 1 << 36
    sizes = smallest.to_bytes(2, "big") + largest.to_bytes(2, "big") + bytes(6)
    return sizes + packed.to_bytes(8, "big") + bytes(16)


def shape_of(streaminfo: bytes) -> tuple[int, int, int]:
    """Return rate in Hz, channels and bits per sample from the block STREAMINFO."""
    packed = int.from_bytes(streaminfo[10:18], "big")
    return packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1


def _frame(head: bytes, at: int) -> Frame | None:
    """Parse the header of a frame (section 9.1)."""
    if len(head) < _LONGEST_HEAD or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    size_code, rate_code, channel_code = head[2] >> 4, head[2] & 15, head[3] >> 4
    bits = _BITS[head[3] >> 1 & 7]
    if size_code == 0 or rate_code in (0, 15) or channel_code > 10 or bits == 0 or head[3] & 1:
        return None
    number, size = _number(head[4:11])
    after = 4 + size
    samples = _SMALL_SIZES.get(size_code, 256 << size_code - 8 if size_code >= 8 else 0)
    if samples == 0:
        width = size_code - 5
        samples = int.from_bytes(head[after : after + width], "big") + 1
        after += width
    rate = _RATES[rate_code] if rate_code < len(_RATES) else 0
    if rate == 0:
        width = 1 if rate_code == 12 else 2
        rate = int.from_bytes(head[after : after + width], "big") * {12: 1000, 13: 1, 14: 10}[rate_code]
        after += width
    crc = 0
    for byte in head[:after]:
        crc = _CRC8[crc ^ byte]
    if size == 0 or crc != head[after]:
        return None
    channels = channel_code + 1 if channel_code < 8 else 2
    return Frame(at, number, samples, bool(head[1] & 1), (rate, channels, bits))


def _number(coded: bytes) -> tuple[int, int]:
    """Decode a number as in UTF-8, but of up to 36 bits. Return it and its size in bytes; 0: it is invalid."""
    first = coded[0]
    size = 8 - (first ^ 0xFF).bit_length()
    if size == 0:
        return first, 1
    if size in (1, 8) or any(byte >> 6 != 2 for byte in coded[1:size]):
        return 0, 0
    number = first & (0x7F >> size)
    for byte in coded[1:size]:
        number = number << 6 | byte & 0x3F
    return number, size
