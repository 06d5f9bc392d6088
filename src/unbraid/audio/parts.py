"""Split a file into the recordings that FFmpeg can open, without the bytes that take no time."""

from __future__ import annotations

from pathlib import Path

from unbraid.audio.file_view import FilePart
from unbraid.audio.mpeg_frames import frames_of
from unbraid.audio.ogg_pages import link_starts
from unbraid.audio.tag_blocks import leading_id3_size

# First bytes of the formats before which an ID3 tag is wrong, or which FFmpeg doesn't recognise behind one.
_HEADS = (
    *(
        b"RIFF",
        b"RF64",
        b"BW64",
        b"riff",
        b"FORM",
        b"caff",
        b".snd",
        b"fLaC",
        b"OggS",
        b"wvpk",
        b"MAC ",
        b"TTA1",
    ),
    *(b"tBaK", b"MPCK", b"MP+", b"DSD ", b"FLV", b"\x0b\x77", b"\x30\x26\xb2\x75", b"\x1a\x45\xdf\xa3"),
)  # the last three: AC-3 (and E-AC-3), ASF (WMA), Matroska (and WebM)
_MP4_BOX = b"ftyp"  # after four bytes with its size


def wrong_id3_size(path: Path) -> int:
    """Return the bytes of ID3 tags in front of a format that has its own tags; 0 for MP3, AAC and all others."""
    with path.open("rb") as file:
        size = leading_id3_size(file)
        file.seek(size)
        head = file.read(8)
    return size if head.startswith(_HEADS) or head[4:] == _MP4_BOX else 0


def split(path: Path) -> list[FilePart]:
    """Return the parts of a file in their order: the links of a chained Ogg file, otherwise one. Raises OSError.

    ID3 tags in front of a format that has its own tags are left out.
    """
    start = wrong_id3_size(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(start)
        starts = link_starts(file, start) if file.read(4) == b"OggS" else [start]
    if starts == [0]:
        return [FilePart(path)]
    return [FilePart(path, ((first, last),)) for first, last in zip(starts, [*starts[1:], size], strict=True)]


def without_tags(part: FilePart, container_name: str) -> FilePart:
    """Return the part without the tags and zeros between its frames, if it is an MP3 or AAC file."""
    ranges = frames_of(part.path, container_name).ranges if part.ranges is None else None
    return FilePart(part.path, ranges) if ranges else part
