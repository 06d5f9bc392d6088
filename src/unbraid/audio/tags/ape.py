"""Read an APE tag at the end of an MP3 or AAC file (APEv2 specification). FFmpeg reads these only in other formats."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from unbraid.audio.tag_blocks import ape_items, trailing_tags
from unbraid.audio.tags.names import canonical, is_inherited

_LARGEST = 1 << 24  # bytes; programs allow less
_MOST_ITEMS, _MOST_TAGS = 1000, 10
_ITEM_HEAD, _LONGEST_NAME = 8, 255  # bytes
_KIND = 6  # bits of the flags: text, binary, link
_TEXT, _BINARY = 0, 2
_COVERS = {"cover art (front)": 3, "cover art (back)": 4}  # and the types of such pictures in ID3v2.4


def read_ape(file: BinaryIO) -> tuple[dict[str, tuple[str, ...]], list[tuple[int, bytes]]]:
    """Return the texts of a tag by name, and its pictures with their types in ID3. Damaged items are left out."""
    texts: dict[str, tuple[str, ...]] = {}
    pictures: list[tuple[int, bytes]] = []
    for name, kind, value in islice(_items(file), _MOST_ITEMS):
        picture = _COVERS.get(name.lower())
        if kind == _BINARY and picture is not None:
            pictures.append((picture, value.partition(b"\0")[2]))  # after the name of a file
        elif kind == _TEXT and is_inherited(name):
            values = tuple(one for one in value.decode("utf-8", "replace").split("\0") if one)
            if values:
                texts.setdefault(canonical(name), values)
    return texts, pictures


def _items(file: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
    """Yield name, kind and value of each item."""
    for _, end in islice(trailing_tags(file, 0, file.seek(0, 2)), _MOST_TAGS):
        start, stop = ape_items(file, end)
        if not 0 < stop - start <= _LARGEST:
            continue
        file.seek(start)
        content = file.read(stop - start)
        at = 0
        while at + _ITEM_HEAD < len(content):
            size, flags = struct.unpack_from("<II", content, at)
            name_end = content.find(b"\0", at + _ITEM_HEAD, at + _ITEM_HEAD + _LONGEST_NAME + 1)
            value = name_end + 1
            if name_end < 0 or value + size > len(content):
                return
            name = content[at + _ITEM_HEAD : name_end].decode("ascii", "replace")
            yield name, flags & _KIND, content[value : value + size]
            at = value + size
