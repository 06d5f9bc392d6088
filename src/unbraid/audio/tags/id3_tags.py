"""Convert ID3 frames to Tags, and Tags to ID3 frames."""

from __future__ import annotations

import re
from collections.abc import Iterable

from unbraid.audio.tags.id3 import Frame, join_text, split_latin, split_text
from unbraid.audio.tags.model import Chapter, Picture, System, Tags
from unbraid.audio.tags.names import TXXX, canonical, is_inherited, native

_ENGLISH = b"eng"  # Apple's programs show only comments in a language they know
_MUSICBRAINZ = "http://musicbrainz.org"
# Frames that carry times, with the place of the byte that is 2 for milliseconds: frames of the old file mean nothing.
_TIMED = {"SYLT": 4, "SYTC": 0, "ETCO": 0}
_IN_MILLISECONDS = 2
_GENRE_NUMBER = re.compile(r"\(?(\d{1,3}|RX|CR)\)?")
_LONGEST_NAME = 1024  # bytes to search for the two texts before the object in GEOB
_TOP_LEVEL_ORDERED = 3  # flags of CTOC (ID3v2 Chapter Frame Addendum, section 3.2)


def items_of(frames: Iterable[Frame]) -> list[Frame]:
    """Return the frames that a stem inherits, named as in `Tags.items`, such as `TXXX:EnergyLevel`."""
    named = []
    for name, content in frames:
        item = _item_name(name, content)
        in_frames_of_file = name in _TIMED and content[_TIMED[name] : _TIMED[name] + 1] != bytes(
            [_IN_MILLISECONDS]
        )
        if is_inherited(item) and not in_frames_of_file:
            named.append((item, content))
    return named


def texts_of(items: Iterable[Frame], genre: str | None) -> dict[str, tuple[str, ...]]:
    """Return the texts in frames. `genre`: FFmpeg's name of it, for genres that are stored as numbers."""
    texts: dict[str, tuple[str, ...]] = {}
    for item, content in items:
        values = _values(item, content)
        if item == "TCON" and genre and any(_GENRE_NUMBER.match(value) for value in values):
            values = [genre]
        if values:
            name = "musicbrainz_trackid" if item.startswith("UFID") else canonical(item)
            texts.setdefault(name, tuple(values))
    return texts


def frames_of(tags: Tags, items: Iterable[Frame]) -> list[Frame]:
    """Return the frames that store `tags`. `items` are frames to keep as they are."""
    kept = list(items)
    names = {name.lower() for name, _ in kept}
    present = texts_of(kept, None)
    frames = [(name[:4], content) for name, content in kept]
    for name, values in tags.texts.items():
        target = native(name, System.ID3)
        if target is None or target.lower() in names or name in present:
            continue
        frames.append(_text_frame(target, values))
        if target == "TIT1":  # DJ programs read this frame, Apple's the other
            frames.append(_text_frame("GRP1", values))
    return frames + _picture_frames(tags.pictures) + _chapter_frames(tags.chapters)


def _item_name(name: str, content: bytes) -> str:
    """Append the description or owner to the name of a frame that a tag may have several of."""
    detail = ""
    if name in ("TXXX", "WXXX"):
        detail = split_text(content)[0]
    elif name in ("COMM", "USLT"):
        detail = split_text(content[:1] + content[4:])[0]
        if name == "USLT":
            detail = ""
    elif name in ("PRIV", "UFID"):
        detail = split_latin(content)[0]
    elif name == "GEOB":
        _, rest = split_latin(content[1:])  # the media type
        parts = split_text(content[:1] + rest[:_LONGEST_NAME])
        detail = parts[1] if len(parts) > 1 else ""
    return f"{name}:{detail}" if detail else name


def _values(item: str, content: bytes) -> list[str]:
    """Return the texts of a frame that other systems can store too."""
    name = item[:4]
    if item in ("COMM", "USLT", "COMM:iTunNORM"):
        return [value for value in split_text(content[:1] + content[4:])[1:2] if value]
    if name == "TXXX":
        return [value for value in split_text(content)[1:] if value] if item != "TXXX" else []
    if item == f"UFID:{_MUSICBRAINZ}":
        return [split_latin(content)[1].decode("latin-1")]
    is_known_text = canonical(item) != item
    return [value for value in split_text(content) if value] if is_known_text else []


def _text_frame(target: str, values: tuple[str, ...]) -> Frame:
    if target.startswith(TXXX):
        return "TXXX", join_text(target.removeprefix(TXXX), *values)
    if target[:4] in ("COMM", "USLT"):
        text = join_text(target[5:], "; ".join(values) if target == "COMM" else "\n".join(values))
        return target[:4], text[:1] + _ENGLISH + text[1:]
    return target, join_text(*values)


def _picture_frames(pictures: tuple[Picture, ...]) -> list[Frame]:
    """Return a frame APIC for each picture. No two may have the same description (ID3v2.4, section 4.14)."""
    frames, used = [], set[str]()
    for number, picture in enumerate(pictures, start=1):
        unique = picture.description if picture.description not in used else f"{picture.description} {number}"
        used.add(unique)
        description = join_text(unique.strip())
        kind = picture.mime.encode("latin-1") + b"\0" + bytes([picture.kind])
        frames.append(("APIC", description[:1] + kind + description[1:] + b"\0" + picture.data))
    return frames


def _chapter_frames(chapters: tuple[Chapter, ...]) -> list[Frame]:
    """Return the frames CHAP, and CTOC if there are any (ID3v2 Chapter Frame Addendum)."""
    chapters = chapters[:255]  # CTOC counts them in a byte
    names = [f"chp{number}".encode() + b"\0" for number in range(len(chapters))]
    frames = []
    for name, chapter in zip(names, chapters, strict=True):
        times = chapter.start_ms.to_bytes(4, "big") + chapter.end_ms.to_bytes(4, "big")
        no_offsets = b"\xff" * 8
        frames.append(("CHAP", name + times + no_offsets + _embedded("TIT2", join_text(chapter.title))))
    if frames:
        table = b"toc\0" + bytes([_TOP_LEVEL_ORDERED, len(names)]) + b"".join(names)
        frames.insert(0, ("CTOC", table))
    return frames


def _embedded(name: str, content: bytes) -> bytes:
    size = bytes(len(content) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return name.encode() + size + bytes(2) + content
