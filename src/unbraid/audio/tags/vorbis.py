"""Read and write Vorbis comments and FLAC's picture blocks (RFC 9639, sections 8.6 and 8.8; RFC 7845, section 5.2)."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable, Iterator

from unbraid.audio.tags.model import Chapter, Picture, System, Tags
from unbraid.audio.tags.names import canonical, is_inherited, native

Comment = tuple[str, bytes]
"""Name, as spelled in the file, and value in UTF-8."""

VENDOR = b"Unbraid"
# Opus counts gains in 1/256 dB from -23 LUFS (RFC 7845, section 5.2.1), ReplayGain 2.0 in dB from -18 LUFS.
_R128_STEP = 256
_R128_OFFSET_DB = 5.0
_R128_GAINS = {"R128_TRACK_GAIN": "replaygain_track_gain", "R128_ALBUM_GAIN": "replaygain_album_gain"}
_TOTALS = {"track": ("TRACKTOTAL", "TOTALTRACKS"), "disc": ("DISCTOTAL", "TOTALDISCS")}


def items_of(block: bytes) -> list[Comment]:
    """Return the comments in `block` that a stem inherits. Raises struct.error if the block is damaged."""
    return [(name, value) for name, value in _comments(block) if is_inherited(name)]


def texts_of(items: Iterable[Comment]) -> dict[str, tuple[str, ...]]:
    """Return the texts in comments. Adds the totals to the numbers of track and disc."""
    texts: dict[str, tuple[str, ...]] = {}
    upper: dict[str, str] = {}
    for name, raw in items:
        value = raw.decode("utf-8", "replace")
        upper.setdefault(name.upper(), value)
        if value and name.upper() not in _R128_GAINS:
            key = canonical(name)
            texts[key] = (*texts.get(key, ()), value)
    for key, totals in _TOTALS.items():
        total = next((upper[name] for name in totals if name in upper), "")
        for name in totals:
            texts.pop(canonical(name), None)
        if key in texts and total and "/" not in texts[key][0]:
            texts[key] = (f"{texts[key][0]}/{total}",)
    for name, key in _R128_GAINS.items():
        gain = _number(upper.get(name))
        if gain is not None and key not in texts:
            texts[key] = (f"{gain / _R128_STEP + _R128_OFFSET_DB:.2f} dB",)
    descriptions = texts.get("description", ())
    if descriptions and "comment" not in texts:  # the older name; FFmpeg writes it
        texts["comment"] = descriptions
    return texts


def block_of(tags: Tags, items: Iterable[Comment], *, opus: bool) -> bytes:
    """Return the comments that store `tags`, without pictures. `items` are comments to keep as they are.

    Opus has gains of its own and doesn't use those of ReplayGain.
    """
    unused = "REPLAYGAIN_" if opus else "R128_"
    kept = [(name, value) for name, value in items if not name.upper().startswith(unused)]
    names = {canonical(name) for name, _ in kept} | {_R128_GAINS.get(name.upper(), "") for name, _ in kept}
    for name, values in tags.texts.items():
        if name not in names:
            kept += [(key, value.encode("utf-8", "replace")) for key, value in _pairs(name, values, opus)]
    kept += _chapter_comments(tags.chapters)
    return block(kept)


def block(comments: Iterable[Comment]) -> bytes:
    """Pack comments."""
    packed = [name.encode("ascii", "replace") + b"=" + value for name, value in comments]
    head = struct.pack("<I", len(VENDOR)) + VENDOR + struct.pack("<I", len(packed))
    return head + b"".join(struct.pack("<I", len(comment)) + comment for comment in packed)


def picture_block(picture: Picture) -> bytes:
    """Pack a picture for FLAC."""
    mime, description = picture.mime.encode("latin-1"), picture.description.encode("utf-8", "replace")
    depth, no_palette = 24, 0
    head = struct.pack(">II", picture.kind, len(mime)) + mime
    head += struct.pack(">I", len(description)) + description
    return (
        head
        + struct.pack(">5I", picture.width, picture.height, depth, no_palette, len(picture.data))
        + picture.data
    )


def picture_comment(picture: Picture) -> Comment:
    """Pack a picture for Ogg, as a comment."""
    return "METADATA_BLOCK_PICTURE", base64.b64encode(picture_block(picture))


def _comments(block: bytes) -> Iterator[Comment]:
    (vendor,) = struct.unpack_from("<I", block)
    position = 4 + vendor
    (count,) = struct.unpack_from("<I", block, position)
    position += 4
    for _ in range(count):
        (size,) = struct.unpack_from("<I", block, position)
        name, equals, value = block[position + 4 : position + 4 + size].partition(b"=")
        position += 4 + size
        if equals:
            yield name.decode("ascii", "replace"), value


def _pairs(name: str, values: tuple[str, ...], opus: bool) -> Iterator[tuple[str, str]]:
    """Return names and values of comments for one text."""
    if name in _TOTALS:
        number, _, total = values[0].partition("/")
        yield native(name, System.VORBIS) or name, number.strip()
        if total.strip():
            yield _TOTALS[name][0], total.strip()
    elif opus and name.startswith("replaygain_"):
        gain = _number(values[0])
        for key, text in _R128_GAINS.items():
            if text == name and gain is not None:
                steps = round((gain - _R128_OFFSET_DB) * _R128_STEP)
                yield key, str(max(-(1 << 15), min((1 << 15) - 1, steps)))
    else:
        comment = native(name, System.VORBIS)
        if comment:
            yield from ((comment, value) for value in values)


def _chapter_comments(chapters: tuple[Chapter, ...]) -> Iterator[Comment]:
    """Return the comments CHAPTER000, CHAPTER000NAME and so on (Xiph wiki, "Chapter Extension")."""
    for number, chapter in enumerate(chapters[:1000]):
        minutes, ms = divmod(chapter.start_ms, 60_000)
        hours, minutes = divmod(minutes, 60)
        time = f"{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}"
        yield f"CHAPTER{number:03}", time.encode()
        yield f"CHAPTER{number:03}NAME", chapter.title.encode("utf-8", "replace")


def _number(text: str | None) -> float | None:
    """Return the number in "-7.1 dB", or None."""
    match = re.match(r"\s*([-+]?\d{1,6}(\.\d+)?)", text or "")
    return float(match[1]) if match else None
