"""Read the tags of an open song: as the file stores them if its tag system is known, or else as FFmpeg reports them.

FFmpeg reports only the first of several values, and leaves out frames such as ratings and DJ programs' cues.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream

from unbraid.audio.tags import id3, id3_tags, mp4, places, vorbis
from unbraid.audio.tags.ape import read_ape
from unbraid.audio.tags.model import FRONT_COVER, OTHER_PICTURE, Chapter, Picture, System, Tags
from unbraid.audio.tags.names import INFO, canonical, is_dj_mark, is_inherited

_WITH_APE = ("mp3", "aac")  # formats whose APE tags FFmpeg doesn't read
_MIME_OF_CODEC = {"mjpeg": "image/jpeg", "png": "image/png"}
# FFmpeg's names of picture types (ID3v2.4, section 4.14), in the order of their numbers.
_PICTURE_TYPES = (
    "Other",
    "32x32 pixels 'file icon'",
    "Other file icon",
    "Cover (front)",
    "Cover (back)",
    "Leaflet page",
    "Media (e.g. label side of CD)",
    "Lead artist/lead performer/soloist",
    "Artist/performer",
    "Conductor",
    "Band/Orchestra",
    "Composer",
    "Lyricist/text writer",
    "Recording Location",
    "During recording",
    "During performance",
    "Movie/video screen capture",
    "A bright coloured fish",
    "Illustration",
    "Band/artist logotype",
    "Publisher/Studio logotype",
)


def read_tags(open_file: Callable[[], BinaryIO], container: InputContainer, sound: AudioStream) -> Tags:
    """Read all tags of the song in the file that `open_file` opens. Moves the read position of `container`."""
    system, items = _items(open_file, container.format.name)
    if not items:
        system = None  # a second ID3 tag may follow an empty one
    reported = _reported(container, sound)
    genre = next(iter(reported.get("genre", ())), None)
    shared = [(name, content) for name, content in items if not is_dj_mark(name)]
    if system is System.ID3:
        texts = id3_tags.texts_of(shared, genre)
        texts = {name: reported[name] for name in INFO if name in reported} | texts
    elif system is System.VORBIS:
        texts = vorbis.texts_of(shared)
    elif system is System.MP4:
        texts = mp4.texts_of(shared, genre)
    else:
        texts = reported
    pictures = read_pictures(container)
    if container.format.name in _WITH_APE:
        ape_texts, ape_pictures = _ape(open_file)
        # FFmpeg reports ID3v1, which cuts off texts after 30 letters.
        texts = {**ape_texts, **texts} if system is System.ID3 else {**texts, **ape_texts}
        pictures = pictures or ape_pictures
    return Tags(
        texts=texts,
        pictures=pictures,
        chapters=_chapters(container),
        system=system,
        items=tuple(items),
        container=container.format.name,
    )


def read_pictures(container: InputContainer) -> tuple[Picture, ...]:
    """Return the attached pictures that are JPEG or PNG. Moves the read position."""
    attached = [stream for stream in container.streams.video if stream.disposition & Disposition.attached_pic]
    found: dict[Stream, Picture | None] = {}
    try:
        # FFmpeg delivers attached pictures first. Stop at the first other packet: the file may be long.
        for packet in container.demux() if attached else ():
            if packet.stream not in attached or packet.stream in found or not packet.size:
                break
            named = packet.stream.metadata
            kind = named.get("comment", "")
            untyped = OTHER_PICTURE if found else FRONT_COVER  # MP4 has no types
            number = _PICTURE_TYPES.index(kind) if kind in _PICTURE_TYPES else untyped
            found[packet.stream] = picture(bytes(packet), number, named.get("title", ""))
    except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
        raise
    except av.FFmpegError:
        pass
    return tuple(one for stream in attached if (one := found.get(stream)) is not None)


def picture(data: bytes, kind: int = FRONT_COVER, description: str = "") -> Picture | None:
    """Describe a JPEG or PNG; None for anything else."""
    try:
        with av.open(io.BytesIO(data), "r", options={"format_whitelist": "jpeg_pipe,png_pipe"}) as image:
            context = image.streams.video[0].codec_context
            codec = _MIME_OF_CODEC.get(context.name)
            if codec is None:
                return None
            return Picture(data, codec, context.width, context.height, kind, description)
    except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
        raise
    except (av.FFmpegError, IndexError, ValueError):
        return None


def _items(
    open_file: Callable[[], BinaryIO], container_name: str
) -> tuple[System | None, list[tuple[str, bytes]]]:
    """Return the tag system of the file and its items; None if it has no tag that can be read."""
    with suppress(OSError, OverflowError, ValueError, struct.error), open_file() as file:
        if container_name in ("flac", "ogg"):
            block = places.flac_comments(file) if container_name == "flac" else places.ogg_comments(file)
            if block:
                return System.VORBIS, vorbis.items_of(block)
        elif "mp4" in container_name:
            ilst = places.mp4_items(file)
            if ilst:
                return System.MP4, mp4.items_of(ilst)
        else:
            tag = places.id3_tag(file, container_name)
            if tag:
                return System.ID3, id3_tags.items_of(id3.frames(tag))
    return None, []


def _ape(open_file: Callable[[], BinaryIO]) -> tuple[dict[str, tuple[str, ...]], tuple[Picture, ...]]:
    """Return the texts and pictures of an APE tag."""
    try:
        with open_file() as file:
            texts, contents = read_ape(file)
    except OSError:
        return {}, ()
    found = (picture(data, kind) for kind, data in contents)
    return texts, tuple(one for one in found if one is not None)


def _reported(container: InputContainer, sound: AudioStream) -> dict[str, tuple[str, ...]]:
    """Return the tags that FFmpeg reports for the file and for its audio stream. Ogg stores them there."""
    texts: dict[str, tuple[str, ...]] = {}
    for source in (container.metadata, sound.metadata):
        for name, value in source.items():
            is_of_stream = source is sound.metadata and name.lower() in ("language", "title")
            if value and is_inherited(name) and not is_dj_mark(name) and not is_of_stream:
                texts.setdefault(canonical(name), (value,))
    return texts


def _chapters(container: InputContainer) -> tuple[Chapter, ...]:
    chapters = [
        Chapter(
            start_ms=_milliseconds(chapter["start"], chapter["time_base"]),
            end_ms=_milliseconds(chapter["end"], chapter["time_base"]),
            title=chapter["metadata"].get("title", ""),
        )
        for chapter in container.chapters()
    ]
    chapters.sort(key=lambda chapter: chapter.start_ms)
    is_filler = "mp4" in container.format.name and len(chapters) > 1 and chapters[0].title == ""
    return tuple(chapters[1:] if is_filler else chapters)  # the track of an MP4 starts at 0, named or not


def _milliseconds(time: int, base: Fraction | None) -> int:
    """Convert a time, limited to the 32 bits that ID3 has for it."""
    return max(0, min(round(1000 * time * (base or 1)), 0xFFFFFFFE))
