"""Write a TensorFlow V2 checkpoint, in the layout of the published ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.models.readers.crc32c import masked_crc32c
from unbraid.models.readers.tensorflow import DATA, INDEX, MAGIC

FLOAT, INT64 = 1, 9
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one file, version 1
ENTRIES_IN_BLOCK = 3  # so that small checkpoints have several blocks


def varint(number: int) -> bytes:
    """Encode a number in groups of seven bits."""
    content = bytearray()
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*content, number])


def entry(kind: int, shape: tuple[int, ...], offset: int, size: int, crc: int, more: bytes = b"") -> bytes:
    """Return a BundleEntryProto. Fields that are 0 are left out, as in protobuf."""
    dimensions = b""
    for length in shape:
        dimension = b"\x08" + varint(length)
        dimensions += b"\x12" + varint(len(dimension)) + dimension
    message = b"\x08" + varint(kind) + b"\x12" + varint(len(dimensions)) + dimensions
    for field, number in ((0x20, offset), (0x28, size)):
        if number:
            message += bytes([field]) + varint(number)
    return message + b"\x35" + struct.pack("<I", crc) + more


def block(entries: Mapping[bytes, bytes], compression: int = 0) -> bytes:
    """Return a block of the table with its trailer. Keys share the beginnings of the keys before them."""
    content, last = b"", b""
    for key, value in entries.items():
        shared = 0
        while shared < min(len(key), len(last)) and key[shared] == last[shared]:
            shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    content += struct.pack("<II", 0, 1) + bytes([compression])
    return content + struct.pack("<I", masked_crc32c(content))


def table(entries: Mapping[bytes, bytes]) -> bytes:
    """Return the file of a table."""
    content, handles = b"", {}
    items = list(entries.items())
    for start in range(0, len(items), ENTRIES_IN_BLOCK):
        part = dict(items[start : start + ENTRIES_IN_BLOCK])
        written = block(part)
        handles[max(part)] = varint(len(content)) + varint(len(written) - 5)
        content += written
    places = b""
    for written in (block({}), block(handles)):
        places += varint(len(content)) + varint(len(written) - 5)
        content += written
    return content + places.ljust(40, b"\0") + MAGIC


def entries_of(state: Mapping[str, NDArray[Any]]) -> tuple[dict[bytes, bytes], bytes]:
    """Return the entries of the index, and the content of the data file."""
    entries, contents, size = {b"": HEADER}, [], 0
    for name in sorted(state):
        values = state[name]
        content = values.tobytes()
        kind = FLOAT if values.dtype == np.float32 else INT64
        entries[name.encode()] = entry(kind, values.shape, size, len(content), masked_crc32c(content))
        contents.append(content)
        size += len(content)
    return entries, b"".join(contents)


def write_checkpoint(folder: Path, state: Mapping[str, NDArray[Any]]) -> Path:
    """Write the two files of a checkpoint, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entries, data = entries_of(state)
    (folder / INDEX).write_bytes(table(entries))
    (folder / DATA).write_bytes(data)
    return folder
