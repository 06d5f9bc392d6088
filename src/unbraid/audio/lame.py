"""Correct the length in an MP3's LAME header, which FFmpeg's muxer sets too high.

Encoder and decoder together delay the sound by 1105 samples. So the last frame may consist of padding, and the frame
before it may end with up to 46 samples of padding. The muxer counts only the padding in the last frame.
"""

from __future__ import annotations

import re
from typing import IO

FRAME = {3: 1152, 2: 576, 0: 576}  # samples, by MPEG version: 1, 2, 2.5
HEADER_FRAME = 4096  # bytes to search from the first frame on; the longest frame has 1441
_HEADER = 1441  # bytes: the longest frame
_DELAYS = 141  # bytes from "Xing" or "Info" to the delay and padding fields, 12 bits each
_CHECKSUM = 154  # bytes from "Xing" or "Info" to the CRC-16 of the frame up to there


def id3_size(head: bytes) -> int:
    """Return the size in bytes of the ID3 tag at the start of an MP3 (ID3v2.4, section 3.1: four groups of 7 bits)."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def declared_frames(head: bytes) -> int:
    """Return the number of frames that a Xing, LAME or VBRI header in the first frame declares; 0: none.

    `head` starts with that frame. The number excludes the frame itself, but some encoders include it.
    """
    found = re.search(b"Xing|Info|VBRI", head[:HEADER_FRAME])
    if found is None:
        return 0
    has_number = found[0] == b"VBRI" or int.from_bytes(head[found.end() : found.end() + 4], "big") & 1
    at = found.start() + (14 if found[0] == b"VBRI" else 8)
    return int.from_bytes(head[at : at + 4], "big") if has_number else 0


def declare_length(file: IO[bytes], samples: int) -> None:
    """Correct the padding in a finished MP3 of `samples` samples (layout: Gabriel Bouvigne, "Mp3 info tag rev 1")."""
    file.seek(0)
    frame_start = id3_size(file.read(10))
    file.seek(frame_start)
    head = bytearray(file.read(_HEADER))
    start = max(head.find(b"Xing"), head.find(b"Info"))
    if start < 0 or len(head) < start + _CHECKSUM + 2:
        return
    frames = int.from_bytes(head[start + 8 : start + 12], "big")
    delays = int.from_bytes(head[start + _DELAYS : start + _DELAYS + 3], "big")
    delay = delays >> 12
    padding = frames * FRAME[head[1] >> 3 & 3] - delay - samples
    if padding == delays & 0xFFF or not 0 <= padding <= 0xFFF:
        return
    head[start + _DELAYS : start + _DELAYS + 3] = (delay << 12 | padding).to_bytes(3, "big")
    head[start + _CHECKSUM : start + _CHECKSUM + 2] = _crc16(head[: start + _CHECKSUM]).to_bytes(2, "big")
    file.seek(frame_start)
    file.write(head)


def _crc16(data: bytes | bytearray) -> int:
    """Compute the CRC-16/ARC (polynomial 0x8005, reflected) that the LAME header uses."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
