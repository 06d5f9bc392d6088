"""Find the bytes of tags in files, and replace those that FFmpeg reserved in a finished file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import IO

from unbraid.audio.tags import id3, mp4

LARGEST = 1 << 26  # bytes of a tag that is read natively: 64 MiB
_MOST_BLOCKS = 10_000  # chunks, boxes or pages of a file that are searched; hostile files have millions
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_VORBIS_COMMENT, _PADDING, _PICTURE, _LAST = (
    4,
    1,
    6,
    0x80,
)  # types of FLAC's metadata blocks (RFC 9639, section 8.1)
LONGEST_BLOCK = (1 << 24) - 1  # bytes
_BLOCK_HEADER = 4  # bytes
_SIZE_UNKNOWN = 0xFFFFFFFF


def id3_tag(file: IO[bytes], container_name: str) -> bytes:
    """Return the ID3v2 tag at the start of the file, or in the chunk of a WAV or AIFF; b"": none."""
    if container_name == "wav":
        return _id3_chunk(file, "<")
    if container_name == "aiff":
        return _id3_chunk(file, ">")
    if container_name == "dsf":
        (position,) = struct.unpack_from("<Q", file.read(28), 20)
        file.seek(position)
        return _id3_here(file) if position else b""
    return _id3_here(file)


def flac_comments(file: IO[bytes]) -> bytes:
    """Return the block of Vorbis comments of a FLAC file; b"": none."""
    file.seek(id3.tag_size(file.read(id3.HEADER)))
    for kind, position, size in _flac_blocks(file):
        if kind == _VORBIS_COMMENT and size <= LARGEST:
            file.seek(position)
            return file.read(size)
    return b""


def ogg_comments(file: IO[bytes]) -> bytes:
    """Return the Vorbis comments in the second packet of an Ogg Vorbis or Opus stream; b"": none."""
    packet = b""
    for _, _, payload, used in _ogg_pages(file):
        packet += payload[:used]
        if len(packet) > LARGEST:
            return b""
    for magic in (b"OpusTags", b"\3vorbis"):
        if packet.startswith(magic):
            return packet[len(magic) :]
    return b""


def mp4_items(file: IO[bytes]) -> bytes:
    """Return the content of moov/udta/meta/ilst without pictures; b"": none."""
    position, end = 0, file.seek(0, 2)
    for kind in ("moov", "udta", "meta", "ilst"):
        found = _find_box(file, position, end, kind)
        if found is None:
            return b""
        position, end = found
        if kind == "meta":
            file.seek(position)
            # In MP4, version and flags come first; in QuickTime, the first box.
            position += 0 if file.read(8)[4:] == b"hdlr" else 4
    items = b""
    for kind, start, stop in _mp4_boxes(file, position, end):
        if kind != "covr" and len(items) + stop - start <= LARGEST:
            file.seek(start)
            items += mp4.box(kind, file.read(stop - start))
    return items


def put_id3_at_start(file: IO[bytes], frames: Iterable[id3.Frame]) -> None:
    """Overwrite the tag that FFmpeg reserved at the start of an MP3."""
    file.seek(0)
    size = id3.tag_size(file.read(id3.HEADER))
    tag = id3.tag(frames, size)
    if len(tag) == size:
        file.seek(0)
        file.write(tag)


def put_id3_chunk(file: IO[bytes], frames: Iterable[id3.Frame]) -> None:
    """Append a chunk with an ID3 tag to a finished WAV (RIFF, or RF64 by EBU Tech 3306)."""
    tag = id3.tag(frames)
    chunk = b"id3 " + struct.pack("<I", len(tag)) + tag + bytes(len(tag) % 2)
    file.seek(0)
    head = file.read(28)
    end = file.seek(0, 2)
    padding = bytes(end % 2)
    riff_size = end + len(padding) + len(chunk) - 8
    if head[:4] == b"RF64":
        place, size = 20, struct.pack("<Q", riff_size)
    elif riff_size < _SIZE_UNKNOWN:
        place, size = 4, struct.pack("<I", riff_size)
    else:
        return
    file.write(padding + chunk)
    file.seek(place)
    file.write(size)


def put_flac_blocks(file: IO[bytes], comments: bytes, pictures: Iterable[bytes]) -> None:
    """Overwrite the blocks between STREAMINFO and the sound, where FFmpeg reserved room."""
    file.seek(0)
    (_, start, size), *reserved = _flac_blocks(file)
    contents = list(pictures)
    room = sum(_BLOCK_HEADER + size for _, _, size in reserved)
    left = room - flac_room(comments, contents) - _BLOCK_HEADER
    if len(comments) > LONGEST_BLOCK or not 0 <= left <= LONGEST_BLOCK:
        return  # the tags exceed what a FLAC file can store
    blocks = _flac_block(_VORBIS_COMMENT, comments)
    blocks += b"".join(_flac_block(_PICTURE, content) for content in contents)
    file.seek(start + size)
    file.write(blocks + _flac_block(_PADDING | _LAST, bytes(left)))


def flac_room(comments: bytes, pictures: Iterable[bytes]) -> int:
    """Return the bytes that blocks with these contents take."""
    return sum(_BLOCK_HEADER + len(content) for content in (comments, *pictures))


def put_ogg_comments(file: IO[bytes], comments: bytes) -> None:
    """Overwrite the second packet of an Ogg Opus file, which FFmpeg wrote at least as long. Zeros fill the rest."""
    file.seek(0)
    pages = list(_ogg_pages(file))
    packet = (b"OpusTags" + comments).ljust(sum(used for *_, used in pages), b"\0")
    if any(used < len(payload) for _, _, payload, used in pages):
        return
    for position, segments, _, used in pages:
        file.seek(position)
        head = bytearray(file.read(27)) + segments
        part, packet = packet[:used], packet[used:]
        head[22:26] = bytes(4)
        head[22:26] = _ogg_checksum(bytes(head) + part).to_bytes(4, "little")
        file.seek(position)
        file.write(bytes(head) + part)


def put_mp4_items(
    file: IO[bytes], ilst: bytes, user_data: Mapping[str, bytes] = MappingProxyType({})
) -> None:
    """Replace the metadata items of a finished MP4 whose box moov is the last, and add boxes to moov/udta."""
    end = file.seek(0, 2)
    found = _find_box(file, 0, end, "moov")
    if found is None or found[1] != end:
        return
    start, _ = found
    file.seek(start)
    moov = mp4.box("moov", mp4.with_items(file.read(end - start), ilst, user_data))
    file.seek(start - 8)
    file.write(moov)
    file.truncate()


def _id3_here(file: IO[bytes]) -> bytes:
    head = file.read(id3.HEADER)
    size = id3.tag_size(head)
    return head + file.read(size - len(head)) if 0 < size <= LARGEST else b""


def _id3_chunk(file: IO[bytes], order: str) -> bytes:
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    position, long_size = 12, None
    for _ in range(_MOST_BLOCKS):
        if position + 8 > end:
            break
        file.seek(position)
        name, size = struct.unpack(order + "4sI", file.read(8))
        if name == b"ds64":
            long_size = struct.unpack("<Q", file.read(16)[8:])[0]
        elif name == b"data" and head[:4] == b"RF64" and size == _SIZE_UNKNOWN and long_size is not None:
            size = long_size
        elif name.upper() == b"ID3 ":
            return _id3_here(file)
        position += 8 + size + size % 2
    return b""


def _flac_blocks(file: IO[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield type, position and size of the content of each metadata block, from "fLaC" on."""
    if file.read(4) != b"fLaC":
        return
    for _ in range(_MOST_BLOCKS):
        head = file.read(_BLOCK_HEADER)
        if len(head) < _BLOCK_HEADER:
            return
        last, size = bool(head[0] & _LAST), int.from_bytes(head[1:], "big")
        position = file.tell()
        yield head[0] & ~_LAST, position, size
        if last:
            return
        file.seek(position + size)


def _flac_block(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def _ogg_pages(file: IO[bytes]) -> Iterator[tuple[int, bytes, bytes, int]]:
    """Yield the pages of the second packet of the first stream (RFC 3533).

    Each is its position, segment table and content, and the number of bytes of the content that belong to the packet.
    """
    serial = None
    for _ in range(_MOST_BLOCKS):
        position = file.tell()
        head = file.read(27)
        if len(head) < 27 or not head.startswith(b"OggS"):
            return
        segments = file.read(head[26])
        payload = file.read(sum(segments))
        if serial is None:
            serial = head[14:18]
        elif head[14:18] == serial:
            last = next((number for number, size in enumerate(segments) if size < 255), None)
            yield position, segments, payload, sum(segments if last is None else segments[: last + 1])
            if last is not None:
                return


def _ogg_checksum(page: bytes) -> int:
    """Compute Ogg's CRC: polynomial 0x04C11DB7, most significant bit first, from 0 (RFC 3533, section 6).

    zlib's has the same polynomial, least significant bit first, and inverts the value before and after.
    """
    crc = ~zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "big").translate(_REVERSED), "little")


def _mp4_boxes(file: IO[bytes], position: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, start and end of the content of each box (ISO/IEC 14496-12, section 4.2)."""
    for _ in range(_MOST_BLOCKS):
        if position + 8 > end:
            return
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        inside = 8
        if size == 1:
            size, inside = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:
            size = end - position
        if not inside <= size <= end - position:
            return
        yield kind.decode("latin-1"), position + inside, position + size
        position += size


def _find_box(file: IO[bytes], position: int, end: int, kind: str) -> tuple[int, int] | None:
    """Return start and end of the content of the first box of that kind."""
    boxes = _mp4_boxes(file, position, end)
    return next(((start, stop) for name, start, stop in boxes if name == kind), None)
