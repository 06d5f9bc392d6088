"""Make the tags that programs put in front of, between and behind the frames of a file."""

from __future__ import annotations

import struct

import numpy as np


def id3v2(picture: bytes = b"", title: str = "", footer: bool = False) -> bytes:
    """Make an ID3v2.4 tag with a title and a cover."""
    frames = _frame(b"TIT2", b"\3" + title.encode()) if title else b""
    frames += _frame(b"APIC", b"\0image/jpeg\0\3\0" + picture) if picture else b""
    head = b"\4\0" + bytes([0x10 if footer else 0]) + _seven_bits(len(frames))
    return b"ID3" + head + frames + (b"3DI" + head if footer else b"")


def id3v1(title: str = "Song") -> bytes:
    return b"TAG" + title.encode().ljust(124, b"\0") + b"\xff"


def ape(picture: bytes, header: bool = True, texts: dict[str, str] | None = None) -> bytes:
    """Make an APE tag with a cover and texts: version 2, or version 1 without a header."""
    items = struct.pack("<II", len(picture), 2) + b"Cover Art (Front)\0" + picture
    for name, text in (texts or {}).items():
        items += struct.pack("<II", len(text.encode()), 0) + name.encode() + b"\0" + text.encode()
    version, count = 2000 if header else 1000, 1 + len(texts or {})

    def end(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", version, len(items) + 32, count, flags) + bytes(8)

    return (end(0xA0000000) if header else b"") + items + end(0x80000000 if header else 0)


def lyrics3(text: str = "La la la. ", version: int = 2) -> bytes:
    begin = b"LYRICSBEGIN"
    if version == 1:
        return begin + text.encode() + b"LYRICSEND"
    fields = begin + b"IND0000200" + b"LYR%05d" % len(text) + text.encode()
    return fields + b"%06d" % len(fields) + b"LYRICS200"


def garbage(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _seven_bits(len(content)) + b"\0\0" + content


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
