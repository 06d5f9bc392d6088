"""The length in an MP3's LAME header, for sounds shorter than the frame in which they start.

FFmpeg's muxer takes the padding from the last frame alone. A sound of fewer than 47 samples ends a frame earlier, and
is declared as 47 samples: 2 frames of 1152 - 1105 (delay of encoder and decoder) - 1152 (the last).
"""

from __future__ import annotations

from typing import IO

SHORTEST_DECLARED = 47  # samples
FRAME = {3: 1152, 2: 576, 0: 576}  # samples, by MPEG version: 1, 2, 2.5
_AREA = 156  # bytes from "Xing" or "Info" to the end of the LAME header
_DELAYS = 141  # bytes from there to delay and padding, 12 bits each
_CHECKSUM = 154  # bytes from there to a CRC-16 of the frame so far


def declare_length(file: IO[bytes], samples: int) -> None:
    """Correct the padding in a finished MP3 of `samples` samples (header: gabriel bouvigne, "Mp3 info tag rev 1")."""
    if samples >= SHORTEST_DECLARED:
        return
    file.seek(0)
    head = bytearray(file.read())
    start = max(head.find(b"Xing"), head.find(b"Info"))
    frame_start = head.rfind(b"\xff", 0, start)
    if start < 0 or frame_start < 0:
        return
    frames = int.from_bytes(head[start + 8 : start + 12], "big")
    delays = int.from_bytes(head[start + _DELAYS : start + _DELAYS + 3], "big")
    length = frames * FRAME[head[frame_start + 1] >> 3 & 3]
    delay = delays >> 12
    head[start + _DELAYS : start + _DELAYS + 3] = (delay << 12 | length - delay - samples).to_bytes(3, "big")
    checked = head[frame_start : start + _CHECKSUM]
    head[start + _CHECKSUM : start + _AREA] = _crc16(checked).to_bytes(2, "big")
    file.seek(0)
    file.write(head)


def _crc16(data: bytes | bytearray) -> int:
    """CRC-16/ARC, polynomial 0x8005 reflected, as the LAME header has it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
