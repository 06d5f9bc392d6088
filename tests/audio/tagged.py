"""Make tags, and songs with tags that FFmpeg doesn't write."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.audio.sounds import noise

from unbraid.audio.encode import Encoder
from unbraid.audio.tags.model import Tags
from unbraid.audio.tags.read import picture

RATE = 44100


def tags_of(texts: Mapping[str, str], *pictures: bytes) -> Tags:
    """Make tags of one value each, and pictures."""
    described = [one for data in pictures if (one := picture(data)) is not None]
    return Tags({name: (value,) for name, value in texts.items()}, tuple(described))


def encode(path: Path, tags: Tags | None = None, samples: int | None = None) -> Path:
    """Write `samples` of noise, or a quarter of a second, with `tags`; the suffix of `path` is the format."""
    with Encoder(
        path, sample_rate=RATE, channels=2, format=path.suffix[1:], tags=tags, samples=samples
    ) as encoder:
        encoder.write(noise(samples or RATE // 4, 2))
    return path


def text(value: str) -> bytes:
    """Make the content of an ID3 text in UTF-16, the form that versions 2.3 and 2.4 share."""
    return b"\1" + b"\0\0".join(part.encode("utf-16") for part in value.split("\0"))


def named(name: str, value: str) -> bytes:
    """Make the content of TXXX."""
    return text(f"{name}\0{value}")


def with_language(value: str) -> bytes:
    """Make the content of COMM or USLT in English, without a description."""
    return b"\1eng" + text(f"\0{value}")[1:]


def serato(name: str, data: bytes) -> bytes:
    """Make the content of GEOB as Serato does."""
    return b"\0application/octet-stream\0\0" + name.encode() + b"\0" + data


def id3(frames: Iterable[tuple[str, bytes]], version: int = 4) -> bytes:
    """Make an ID3v2.3 or 2.4 tag."""
    body = b"".join(
        name.encode() + (safe(len(data)) if version == 4 else struct.pack(">I", len(data))) + bytes(2) + data
        for name, data in frames
    )
    return b"ID3" + bytes([version, 0, 0]) + safe(len(body)) + body


def safe(size: int) -> bytes:
    """Write a size in groups of 7 bits."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def tagged_mp3(path: Path, tag: bytes) -> Path:
    """Write noise with `tag` instead of the encoder's."""
    content = encode(path).read_bytes()
    length = 10 + sum(byte << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
    path.write_bytes(tag + content[length:])
    return path


def tagged_wav(path: Path, tag: bytes) -> Path:
    """Write noise with `tag` in a chunk."""
    content = encode(path).read_bytes() + b"id3 " + struct.pack("<I", len(tag)) + tag + bytes(len(tag) % 2)
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    return path


def frames(data: bytes) -> dict[str, list[bytes]]:
    """List the frames of the ID3v2.4 tag in `data`, by name."""
    start = data.index(b"ID3\4") + 10
    end = start + sum(b << s for b, s in zip(data[start - 4 : start], (21, 14, 7, 0), strict=True))
    found: dict[str, list[bytes]] = {}
    while start + 10 <= end and data[start]:
        size = sum(b << s for b, s in zip(data[start + 4 : start + 8], (21, 14, 7, 0), strict=True))
        found.setdefault(data[start : start + 4].decode(), []).append(data[start + 10 : start + 10 + size])
        start += 10 + size
    return found
