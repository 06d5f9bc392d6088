"""Read and write ID3v2 tags as frames: versions 2.2, 2.3 and 2.4 (id3.org) are read, 2.4 is written."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

Frame = tuple[str, bytes]
"""Identifier of four letters, and content."""

HEADER = 10  # bytes of a tag's header, and of a frame's
LARGEST = 1 << 28  # bytes: sizes have four groups of 7 bits
_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
# Frames of version 2.2 and their names since 2.3.
_V22_NAMES = """
    TT1:TIT1 TT2:TIT2 TT3:TIT3 TP1:TPE1 TP2:TPE2 TP3:TPE3 TP4:TPE4 TCM:TCOM TXT:TEXT TLA:TLAN TCO:TCON TAL:TALB
    TPA:TPOS TRK:TRCK TRC:TSRC TYE:TYER TDA:TDAT TOR:TORY TPB:TPUB TCR:TCOP TBP:TBPM TKE:TKEY TMT:TMED TCP:TCMP
    TS2:TSO2 TSA:TSOA TSC:TSOC TSP:TSOP TST:TSOT TXX:TXXX COM:COMM ULT:USLT SLT:SYLT POP:POPM CNT:PCNT GEO:GEOB
    UFI:UFID WXX:WXXX WAF:WOAF WAR:WOAR WAS:WOAS WCM:WCOM WCP:WCOP WPB:WPUB GP1:GRP1 IPL:IPLS
"""
_V22 = dict(pair.split(":") for pair in _V22_NAMES.split())
_MOST_FRAMES = 10_000


def tag_size(head: bytes) -> int:
    """Return the size in bytes of the tag that starts with `head`, with its header and footer; 0: no tag."""
    if len(head) < HEADER or head[:3] != b"ID3" or head[3] not in (2, 3, 4):
        return 0
    footer = HEADER if head[3] == 4 and head[5] & 0x10 else 0
    return HEADER + _syncsafe(head[6:10]) + footer


def frames(tag: bytes) -> list[Frame]:
    """Return the frames of a tag, in the form of version 2.4. Skips encrypted and damaged frames."""
    if not tag_size(tag):
        return []
    version, flags = tag[3], tag[5]
    body = tag[HEADER : HEADER + _syncsafe(tag[6:10])]
    if version < 4 and flags & 0x80:
        body = _with_sync(body)
    if version == 2:
        # 0x40: a compression that was never defined
        return [] if flags & 0x40 else _as_v24(islice(_v22_frames(body), _MOST_FRAMES))
    if flags & 0x40 and len(body) >= 4:  # an extended header
        body = body[_syncsafe(body[:4]) if version == 4 else int.from_bytes(body[:4], "big") + 4 :]
    found = islice(_frames(body, version, whole_is_unsynchronised=bool(flags & 0x80)), _MOST_FRAMES)
    return list(found) if version == 4 else _as_v24(found)


def tag(frames: Iterable[Frame], size: int | None = None) -> bytes:
    """Return a tag of version 2.4, padded to `size` bytes if that is larger. Leaves out what exceeds LARGEST."""
    body = bytearray()
    for name, content in frames:
        if len(body) + HEADER + len(content) < LARGEST - HEADER:
            body += name.encode("ascii") + _to_syncsafe(len(content)) + bytes(2) + content
    if size is not None:
        body += bytes(max(0, size - HEADER - len(body)))
    return b"ID3\4\0\0" + _to_syncsafe(len(body)) + bytes(body)


def split_text(content: bytes) -> list[str]:
    """Split the content of a text frame, with its encoding in the first byte, into its parts between zeros."""
    encoding = _ENCODINGS.get(content[0] if content else 0, "latin-1")
    parts = content[1:].decode(encoding, "replace").split("\0")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return [part.removeprefix("\ufeff") for part in parts]  # each part may have a byte order mark


def join_text(*parts: str) -> bytes:
    """Return the content of a text frame in UTF-8."""
    return b"\3" + b"\0".join(part.replace("\0", " ").encode("utf-8", "replace") for part in parts)


def split_latin(content: bytes) -> tuple[str, bytes]:
    """Split the content of a frame such as PRIV into its Latin-1 name and the rest."""
    name, _, rest = content.partition(b"\0")
    return name.decode("latin-1"), rest


def _frames(body: bytes, version: int, *, whole_is_unsynchronised: bool) -> Iterator[Frame]:
    position = 0
    while _is_name(body[position : position + 4]) and position + HEADER <= len(body):
        name = body[position : position + 4].decode("ascii")
        size = int.from_bytes(body[position + 4 : position + 8], "big")
        if version == 4:
            # iTunes wrote plain sizes. Take that one if only it leads to another frame.
            safe = _syncsafe(body[position + 4 : position + 8])
            if (
                safe == size
                or _is_end(body, position + HEADER + safe)
                or not _is_end(body, position + HEADER + size)
            ):
                size = safe
        flags = body[position + 9]
        position += HEADER
        content = body[position : position + size]
        position += size
        if len(content) < size or not size:
            continue
        with suppress(zlib.error):
            plain = _plain(content, flags, version, whole_is_unsynchronised)
            if plain:
                yield name, plain


def _plain(content: bytes, flags: int, version: int, whole_is_unsynchronised: bool) -> bytes | None:
    """Undo what the flags in the second byte say: grouping, compression, unsynchronisation. None: encrypted."""
    if version == 3:
        compressed, encrypted, grouped, length = flags & 0x80, flags & 0x40, flags & 0x20, flags & 0x80
    else:
        compressed, encrypted, grouped, length = flags & 0x08, flags & 0x04, flags & 0x40, flags & 0x01
    if encrypted:
        return None
    content = content[(1 if grouped else 0) + (4 if length else 0) :]
    if version == 4 and (flags & 0x02 or whole_is_unsynchronised):
        content = _with_sync(content)
    if compressed:
        content = zlib.decompressobj().decompress(content, LARGEST >> 4)
    return content


def _v22_frames(body: bytes) -> Iterator[Frame]:
    position = 0
    while position + 6 <= len(body) and body[position]:
        name, size = (
            body[position : position + 3].decode("latin-1"),
            int.from_bytes(body[position + 3 : position + 6], "big"),
        )
        content = body[position + 6 : position + 6 + size]
        position += 6 + size
        if name in _V22 and content:
            yield _V22[name], content


def _as_v24(frames: Iterable[Frame]) -> list[Frame]:
    """Replace the frames that version 2.4 dropped: year and day become TDRC, and people TIPL."""
    renamed = {"TYER": "TDRC", "TORY": "TDOR", "IPLS": "TIPL"}
    found = list(frames)
    day = next((split_text(content)[0] for name, content in found if name == "TDAT"), "")
    changed = []
    for name, content in found:
        if name == "TYER" and len(day) == 4 and day.isdigit():
            content = join_text(f"{split_text(content)[0]}-{day[2:]}-{day[:2]}")
        if name not in ("TDAT", "TIME", "TRDA", "TSIZ"):
            changed.append((renamed.get(name, name), content))
    return changed


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and name.isalnum() and name.upper() == name


def _is_end(body: bytes, position: int) -> bool:
    """Whether a frame may end at `position`: another one, padding or the end of the tag follows."""
    following = body[position : position + 4]
    return position <= len(body) and (not following.strip(b"\0") or _is_name(following))


def _with_sync(data: bytes) -> bytes:
    """Undo unsynchronisation (ID3v2.4, section 6.1)."""
    return data.replace(b"\xff\0", b"\xff")


def _syncsafe(size: bytes) -> int:
    value = 0
    for byte in size:
        value = value << 7 | byte & 0x7F
    return value


def _to_syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
