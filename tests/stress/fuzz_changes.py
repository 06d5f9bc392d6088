"""Changes to the bytes of a file: damage, and tags that programs add."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from tests.audio.tag_bytes import ape, id3v1, id3v2, lyrics3

LONGEST_DAMAGE = 6000  # bytes


def _place(content: bytes, random: Random) -> int:
    """Return a position: often near the start, where headers are, sometimes near the end."""
    near = random.random()
    if near < 0.25:
        return random.randrange(min(len(content), 1024))
    if near < 0.35:
        return max(0, len(content) - 1 - random.randrange(1024))
    return random.randrange(len(content))


def _length(random: Random) -> int:
    return random.choice((1, 7, 100, 1000, random.randrange(1, LONGEST_DAMAGE)))


def flip(content: bytes, random: Random) -> bytes:
    """Change 1 to 100 bits or bytes."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 5, 100))):
        changed[_place(content, random)] ^= random.choice(
            (1 << random.randrange(8), random.randrange(1, 256))
        )
    return bytes(changed)


def overwrite(content: bytes, random: Random) -> bytes:
    """Replace a block by random bytes."""
    start, length = _place(content, random), _length(random)
    return (content[:start] + random.randbytes(length) + content[start + length :])[: len(content)]


def zero(content: bytes, random: Random) -> bytes:
    """Replace a block by zeros."""
    start, length = _place(content, random), _length(random)
    return (content[:start] + bytes(length) + content[start + length :])[: len(content)]


def insert(content: bytes, random: Random) -> bytes:
    """Insert random bytes or zeros."""
    start, length = _place(content, random), _length(random)
    return content[:start] + random.choice((bytes, random.randbytes))(length) + content[start:]


def remove(content: bytes, random: Random) -> bytes:
    """Remove a block."""
    start, length = _place(content, random), _length(random)
    return content[:start] + content[start + length :] or content[:1]


def truncate(content: bytes, random: Random) -> bytes:
    """Cut off the end."""
    return content[: random.randrange(1, len(content) + 1)]


def behead(content: bytes, random: Random) -> bytes:
    """Cut off the start."""
    return content[random.randrange(len(content)) :]


DAMAGE: dict[str, Callable[[bytes, Random], bytes]] = {
    function.__name__: function for function in (flip, overwrite, zero, insert, remove, truncate, behead)
}


def _picture(random: Random, trap: bytes) -> bytes:
    """Make the content of a cover, up to 1 MB; it may contain frames of sound, and starts of tags."""
    size = random.choice((0, 300, 20_000, 200_000, 1_000_000))
    return b"\xff\xd8" + random.randbytes(size) + random.choice((b"", trap + b"TAG" + b"ID3\3\0\0\1\1\1\1"))


TAGS_IN_FRONT: dict[str, Callable[[Random, bytes], bytes]] = {
    "ID3v2": lambda random, trap: id3v2(_picture(random, trap), "A title"),
    "two ID3v2": lambda random, trap: id3v2(title="New") + id3v2(_picture(random, trap), "Old"),
}
TAGS_AT_END: dict[str, Callable[[Random, bytes], bytes]] = {
    "ID3v1": lambda random, trap: id3v1(),
    "APE": lambda random, trap: ape(_picture(random, trap)),
    "APE and ID3v1": lambda random, trap: ape(_picture(random, trap)) + id3v1(),
    "Lyrics3 and ID3v1": lambda random, trap: lyrics3("La la la. " * random.randrange(300)) + id3v1(),
    "ID3v2 at the end": lambda random, trap: id3v2(_picture(random, trap), "A title", footer=True),
}


def with_flac_picture(content: bytes, random: Random) -> bytes:
    """Put a PICTURE block and a VORBIS_COMMENT block behind the STREAMINFO of a FLAC file (RFC 9639, section 8)."""
    picture = random.randbytes(random.choice((100, 70_000, 2_000_000)))
    body = struct.pack(">II", 3, 10) + b"image/jpeg" + struct.pack(">5I", 0, 8, 8, 24, 0)
    body += struct.pack(">I", len(picture)) + picture
    block = b"\x06" + len(body).to_bytes(3, "big") + body
    end = 4 + 4 + 34  # "fLaC", the header of a block, STREAMINFO
    return content[:end] + block + content[end:]
