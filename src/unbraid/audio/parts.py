"""Split a file into the recordings that FFmpeg can open, without the bytes that take no time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from unbraid.audio import flac_links, ogg_pages, wav_links
from unbraid.audio.file_view import FilePart, file_identity
from unbraid.audio.mpeg_frames import frames_of
from unbraid.audio.tag_blocks import leading_id3_size, trailing_tags_start

# First bytes of the formats before which an ID3 tag is wrong, or which FFmpeg doesn't recognise behind one.
_READ_TO_THE_END = (
    *(b"RIFF", b"RF64", b"BW64", b"riff", b"FORM", b"caff", b".snd", b"fLaC", b"OggS", b"DSD ", b"FLV"),
    *(b"Creative Voice File", b"nut/multimedia container", b".RMF", b"#!AMR"),
    b"\x0b\x77",  # AC-3 and E-AC-3
    b"\x7f\xfe\x80\x01",  # DTS
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x30\x26\xb2\x75",  # ASF (WMA)
    b"\x1a\x45\xdf\xa3",  # Matroska and WebM
)
_WITH_APE_TAGS = (b"wvpk", b"MAC ", b"TTA1", b"tBaK", b"MPCK", b"MP+")  # FFmpeg reads tags at their end
_MP4_BOX = b"ftyp"  # after four bytes with its size
_MOV_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # with which old files start
_TS_SYNC, _TS_PACKET = 0x47, 188  # the first byte, and the length of packets in an MPEG transport stream
_HEAD = _TS_PACKET + 1
# Recordings in a file: five days of songs have fewer. Only files that were made to take long have more.
_MOST_PARTS = 2000


def wrong_id3_size(path: Path) -> int:
    """Return the bytes of ID3 tags in front of a format that has its own tags; 0 for MP3, AAC and all others."""
    with path.open("rb") as file:
        return _start(file)[0]


def _start(file: BinaryIO) -> tuple[int, bytes]:
    """Return `wrong_id3_size`, and the first bytes behind these tags."""
    size = leading_id3_size(file)
    file.seek(size)
    head = file.read(_HEAD)
    return (size if head.startswith(_WITH_APE_TAGS) or _reads_to_the_end(head) else 0), head


def _reads_to_the_end(head: bytes) -> bool:
    """Whether FFmpeg knows no tags at the end of the format that starts with `head`."""
    is_ts = len(head) == _HEAD and head[0] == head[_TS_PACKET] == _TS_SYNC
    return is_ts or head.startswith(_READ_TO_THE_END) or head[4:8] == _MP4_BOX


def _is_known(head: bytes) -> bool:
    """Whether `head` starts a file that may have frames of FLAC within it, or none at all."""
    return _reads_to_the_end(head) or head.startswith(_WITH_APE_TAGS) or head[4:8] in _MOV_BOXES


def split(path: Path) -> list[FilePart]:
    """Return the parts of a file in their order: links of chained Ogg, joined FLACs or WAVs, otherwise one.

    Raises OSError.
    ID3 tags in front of a format that has its own tags are left out, and all tags at its end.
    """
    return list(_split(path, file_identity(path)))


@lru_cache(maxsize=4)  # a song is opened three times, and searching a FLAC of 119 MB takes 0.1 s
def _split(path: Path, identity: tuple[int, ...]) -> tuple[FilePart, ...]:
    with path.open("rb") as file:
        start, head = _start(file)
        size = file.seek(0, 2)
        end = trailing_tags_start(file, start, size) if _reads_to_the_end(head) else size
        is_flac = head.startswith(flac_links.MARK) or (
            not _is_known(head) and flac_links.is_beheaded(file, start)
        )
        if head.startswith(b"OggS"):
            found = [FilePart(path, (each,)) for each in ogg_pages.links(file, start)]
        elif wav_links.is_start(head):
            found = [FilePart(path, (each,)) for each in wav_links.links(file, start, end, _MOST_PARTS + 1)]
        elif is_flac:
            found = [
                FilePart(path, (link.range,), link.head)
                for link in flac_links.links(file, start, end, _MOST_PARTS + 1)
            ]
        else:
            found = []
    if not 0 < len(found) <= _MOST_PARTS:
        found = [FilePart(path, ((start, end),))]
    return (FilePart(path),) if found == [FilePart(path, ((0, size),))] else tuple(found)


def without_tags(part: FilePart, container_name: str) -> FilePart:
    """Return the part without the tags and zeros between its frames, if it is an MP3, AAC or AC-3 file."""
    (first, _), *others = part.ranges or ((0, 0),)
    if others or part.head:
        return part
    ranges = frames_of(part, container_name).ranges
    if not ranges:
        return part
    return FilePart(part.path, tuple((first + start, first + end) for start, end in ranges))


def without_outer_tags(part: FilePart) -> FilePart:
    """Return a whole file without the tags at its start and end; the same part if there are none."""
    if part.ranges is not None:
        return part
    with part.open() as file:
        start, size = leading_id3_size(file), file.seek(0, 2)
        end = trailing_tags_start(file, start, size)
    return FilePart(part.path, ((start, end),)) if start < end and (start, end) != (0, size) else part
