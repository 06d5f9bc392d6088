"""Read and write the metadata items of MP4: the atoms in moov/udta/meta/ilst (Apple, QuickTime File Format)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping

from unbraid.audio.tags.model import Picture, System, Tags
from unbraid.audio.tags.names import FREEFORM, canonical, is_inherited, native

Atom = tuple[str, bytes]
"""Name, `----:MEAN:NAME` for items with a name of their own, and content."""

# Types of data: section "Well-known types".
_UTF8, _JPEG, _PNG, _INTEGER = 1, 13, 14, 21
_PAIRS = {"trkn": 8, "disk": 6}  # bytes of the number and the total
_INTEGERS = {"tmpo": 2, "cpil": 1}  # bytes
_MOST_BOXES = 10_000
_MOST_DIGITS = 9  # of a number of a track or disc; longer ones are nonsense, and Python refuses 4300 digits
_NOT_COPIED = ("covr", "gnre")  # pictures are kept apart; a genre's number becomes its name


def items_of(ilst: bytes) -> list[Atom]:
    """Return the atoms in `ilst` that a stem inherits."""
    named = []
    for kind, content in boxes(ilst):
        name = _freeform_name(content) if kind == "----" else kind
        if is_inherited(name) and name not in _NOT_COPIED:
            named.append((name, content))
    return named


def texts_of(items: Iterable[Atom], genre: str | None) -> dict[str, tuple[str, ...]]:
    """Return the texts in atoms. `genre`: FFmpeg's name of it, for genres that are stored as numbers."""
    texts: dict[str, tuple[str, ...]] = {}
    for name, content in items:
        key = canonical(name)
        if not name.startswith(FREEFORM) and key == name:
            continue  # another program's, or one that only MP4 has
        values = tuple(filter(None, _values(name, content)))
        if values and (key not in texts or name.startswith(FREEFORM)):
            texts[key] = values  # a tempo as text may have decimals; the atom has none
    if genre and "genre" not in texts:
        texts["genre"] = (genre,)
    return texts


def ilst_of(tags: Tags, items: Iterable[Atom]) -> bytes:
    """Return the content of `ilst` that stores `tags`. `items` are atoms to keep as they are."""
    kept = list(items)
    present = texts_of(kept, None)
    atoms = [box(name[:4], content) for name, content in kept]
    for name, values in tags.texts.items():
        target = native(name, System.MP4)
        if target and name not in present:
            atoms += _atoms(target, values)
    if tags.pictures:
        # There are no types. Players show the first picture.
        ordered = sorted(tags.pictures, key=lambda picture: picture is not tags.cover)
        atoms.append(box("covr", b"".join(map(_cover, ordered))))
    return b"".join(atoms)


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each box in `data`. Stops at a damaged one."""
    position = 0
    for _ in range(_MOST_BOXES):
        if position + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, position)
        if not 8 <= size <= len(data) - position:
            return
        yield kind.decode("latin-1"), data[position + 8 : position + size]
        position += size


def box(kind: str, content: bytes) -> bytes:
    """Pack a box."""
    return struct.pack(">I4s", 8 + len(content), kind.encode("latin-1")) + content


def with_items(moov: bytes, ilst: bytes, new: Mapping[str, bytes]) -> bytes:
    """Return the content of `moov` with `ilst` as its metadata items, and with `new` boxes of user data.

    Keeps other user data, such as chapters.
    """
    others = b"".join(box(kind, content) for kind, content in boxes(moov) if kind != "udta")
    user_data = b"".join(
        box(inner, content)
        for kind, udta in boxes(moov)
        if kind == "udta"
        for inner, content in boxes(udta)
        if inner != "meta"
    )
    handler = box("hdlr", bytes(8) + b"mdirappl" + bytes(9))
    user_data += box("meta", bytes(4) + handler + box("ilst", ilst))
    return others + box("udta", user_data + b"".join(box(kind, content) for kind, content in new.items()))


def _freeform_name(content: bytes) -> str:
    parts = dict(boxes(content))
    mean, name = (parts.get(kind, b"")[4:].decode("utf-8", "replace") for kind in ("mean", "name"))
    return f"----:{mean}:{name}"


def _values(name: str, content: bytes) -> Iterator[str]:
    """Return the values of an atom as texts; nothing for binary ones."""
    for kind, data in boxes(content):
        if kind != "data" or len(data) < 8:
            continue
        data_type, value = int.from_bytes(data[1:4], "big"), data[8:]
        if name in _PAIRS and len(value) >= 6:
            number, total = struct.unpack_from(">HH", value, 2)
            yield (f"{number}/{total}" if total else str(number)) if number or total else ""
        elif name in _INTEGERS:
            yield str(int.from_bytes(value[:4], "big")) if any(value) else ""
        elif data_type == _UTF8:
            yield value.decode("utf-8", "replace")


def _atoms(target: str, values: tuple[str, ...]) -> Iterator[bytes]:
    if target.startswith(FREEFORM):
        name = target.removeprefix(FREEFORM).encode("utf-8", "replace")
        head = box("mean", bytes(4) + b"com.apple.iTunes") + box("name", bytes(4) + name)
        yield box("----", head + _texts(values))
    elif target in _PAIRS:
        digits = re.findall(r"\d+", values[0])[:2]
        numbers = [min(int(text), 0xFFFF) if len(text) <= _MOST_DIGITS else 0 for text in digits]
        if any(numbers):
            pair = struct.pack(">HHH", 0, *(*numbers, 0)[:2])
            yield box(target, _data(0, pair.ljust(_PAIRS[target], b"\0")))
    elif target in _INTEGERS:
        number = _integer(values[0])
        if number is not None:
            width = _INTEGERS[target]
            number = min(number, 1 if target == "cpil" else 0xFFFF)
            yield box(target, _data(_INTEGER, number.to_bytes(width, "big")))
        if target == "tmpo" and (number is None or str(number) != values[0].strip()):
            yield from _atoms(FREEFORM + "BPM", values)
    else:
        yield box(target, _texts(values))


def _integer(text: str) -> int | None:
    try:
        number = float(text)
        return round(number) if 0 <= number <= 0xFFFF else None
    except ValueError:
        return None


def _texts(values: tuple[str, ...]) -> bytes:
    return b"".join(_data(_UTF8, value.encode("utf-8", "replace")) for value in values)


def _cover(picture: Picture) -> bytes:
    return _data(_PNG if picture.mime == "image/png" else _JPEG, picture.data)


def _data(data_type: int, value: bytes) -> bytes:
    return box("data", struct.pack(">II", data_type, 0) + value)
