"""Give a link of chained Ogg whose header is damaged the header of another link (RFC 3533).

Recordings of one chain usually come from the same encoder, so their headers are alike.
"""

from __future__ import annotations

from itertools import takewhile

from unbraid.audio.file_view import FilePart
from unbraid.audio.ogg_pages import NO_PACKET_ENDS, pages

_SERIAL, _CRC = slice(14, 18), slice(22, 26)  # in the header of a page
_FIRST_PAGE = 58  # bytes of Vorbis
_LONGEST = 1 << 18  # bytes; with a larger cover, the sum of the pages takes more than 0.1 s


def _crc32_table() -> list[int]:
    table = []
    for value in range(256):
        value <<= 24
        for _ in range(8):
            value = (value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


_CRC32 = _crc32_table()


def with_header_of(damaged: FilePart, other: FilePart) -> FilePart | None:
    """Return the sound of the damaged link behind the header of the other.

    None if one of them has no such pages, or if they declare other rates, channels or lengths of blocks.
    """
    with other.open() as file:
        header = list(takewhile(lambda page: page.time in NO_PACKET_ENDS, pages(file)))
        size = sum(page.end - page.start for page in header)
        file.seek(0)
        content = file.read(header[-1].end) if header and size <= _LONGEST else b""
    with damaged.open() as file:
        own = _vorbis_settings(file.read(_FIRST_PAGE))
        sound = next((page for page in pages(file) if page.time not in NO_PACKET_ENDS), None)
        file.seek(sound.start if sound else 0)
        serial = file.read(_SERIAL.stop)[_SERIAL]
    if not content or sound is None or damaged.ranges is None:
        return None
    if own and own != _vorbis_settings(content):
        return None
    ((start, end),) = damaged.ranges
    head = b"".join(_with_serial(content[page.start : page.end], serial) for page in header)
    return FilePart(damaged.path, ((start + sound.start, end),), head)


def _vorbis_settings(page: bytes) -> bytes:
    """Return channels, rate and lengths of blocks from the first page of Vorbis (Vorbis I, 4.2.2); b"": not Vorbis."""
    is_vorbis = len(page) >= _FIRST_PAGE and page[28:35] == b"\x01vorbis"
    return page[39:44] + page[56:57] if is_vorbis else b""


def _with_serial(page: bytes, serial: bytes) -> bytes:
    """Return a page as one of the stream with another serial number, with its checksum."""
    changed = bytearray(page)
    changed[_SERIAL], changed[_CRC] = serial, bytes(4)
    crc = 0
    for byte in changed:
        crc = crc << 8 & 0xFFFFFFFF ^ _CRC32[crc >> 24 ^ byte]
    changed[_CRC] = crc.to_bytes(4, "little")
    return bytes(changed)
