"""Read a TensorFlow V2 checkpoint, as Spleeter's weights are published, without TensorFlow.

`model.index`                 a table: name of each tensor -> type, shape, place and checksum
`model.data-00000-of-00001`   the tensors' numbers

The index is a LevelDB table (https://github.com/google/leveldb/blob/main/doc/table_format.md) without compression. Its
values are the protobuf messages BundleHeaderProto (under the empty name) and BundleEntryProto of TensorFlow's
`tensor_bundle.proto`. Blocks of the table and tensors have masked CRC-32C checksums.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.readers.crc32c import masked_crc32c
from unbraid.models.readers.packages import LARGEST, Package
from unbraid.models.readers.tensors import SINGLE, PackageError, State, StoredTensor, size_in_bytes

INDEX = "model.index"
DATA = "model.data-00000-of-00001"

LONGEST_INDEX = 1 << 20  # bytes; the published ones have 5,000 to 13,000
LONGEST_NAME = (
    200  # bytes. Names are stored as differences, so long ones could grow with the square of the file.
)

FOOTER = 48  # bytes: places of two blocks, zeros, and the magic number
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
TRAILER = 5  # bytes after a block: type of compression, and checksum
UNCOMPRESSED = 0

# DataType of TensorFlow. Counters of the training, such as global_step, are integers.
FLOAT = 1
INTEGERS = {3: 4, 9: 8}  # -> bytes of a number

DAMAGED = "it is damaged or truncated"


def read_checkpoint(folder: Path, sources: Sequence[str]) -> Package:
    """Read the checkpoint in a folder as a Spleeter for these sources; its names for tensors get dots for slashes.

    `Package.state` reads each tensor on access. Raises ModelError for files that are missing, damaged, truncated or
    malicious.
    """
    index = folder / INDEX
    try:
        with index.open("rb", buffering=0) as file:
            entries = dict(read_table(file))
        data_size = (folder / DATA).stat().st_size
        tensors = _tensors(entries, data_size)
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(folder)) from error
    except PackageError as error:
        raise error.about(index) from error
    named = {name.replace("/", "."): tensor for name, tensor in tensors.items()}
    return Package(index, "Spleeter", {"sources": list(sources)}, State(folder / DATA, named))


def read_table(file: FileIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a LevelDB table, in ascending order of keys. Raises PackageError."""
    size = os.fstat(file.fileno()).st_size
    if size > LONGEST_INDEX:
        raise PackageError("its index is too long")
    content = file.read(size)
    if len(content) < FOOTER or not content.endswith(MAGIC):
        raise PackageError("it is damaged, truncated or not a TensorFlow checkpoint")
    footer = _Reader(content[-FOOTER:])
    footer.varint(), footer.varint()  # the block of metadata, which is empty
    last: bytes | None = None
    end = 0
    for _, handle in _block(content, footer.varint(), footer.varint()):
        place = _Reader(handle)
        offset, length = place.varint(), place.varint()
        # Blocks in order, each once, so that the work is proportional to the size of the file.
        if offset < end:
            raise PackageError("blocks of its index overlap")
        end = offset + length + TRAILER
        for key, value in _block(content, offset, length):
            if last is not None and key <= last:
                raise PackageError("names in its index are not in order, or not unique")
            last = key
            yield key, value


def _block(content: bytes, offset: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block of the table, whose keys are stored as differences."""
    end = offset + length
    if end + TRAILER > len(content) - FOOTER:
        raise PackageError(DAMAGED)
    if int.from_bytes(content[end + 1 : end + TRAILER], "little") != masked_crc32c(content[offset : end + 1]):
        raise PackageError("it is damaged: a checksum in it is wrong")
    if content[end] != UNCOMPRESSED:
        raise PackageError("its index is compressed, unlike the published ones")
    # The block ends with the places of whole keys, for searching, and their number.
    restarts = int.from_bytes(content[end - 4 : end], "little")
    entries_length = length - 4 * (restarts + 1)
    if length < 4 or entries_length < 0:
        raise PackageError(DAMAGED)
    entries = _Reader(content[offset : offset + entries_length])
    key = b""
    while not entries.at_end:
        shared, rest, value = entries.varint(), entries.varint(), entries.varint()
        if shared > len(key) or shared + rest > LONGEST_NAME:
            raise PackageError("a name in its index is invalid")
        key = key[:shared] + entries.take(rest)
        yield key, entries.take(value)


def _tensors(entries: dict[bytes, bytes], data_size: int) -> dict[str, StoredTensor]:
    """Return the float32 tensors by name."""
    _check_header(entries.pop(b"", None))
    if data_size > LARGEST:
        raise PackageError("it is larger than any published weights")
    tensors, places = {}, []
    for key, value in entries.items():
        try:
            name = key.decode("ascii")
        except UnicodeDecodeError as error:
            raise PackageError("a name in its index is invalid") from error
        if not name.isprintable() or "." in name:
            raise PackageError("a name in its index is invalid")
        fields = _fields(value)
        kind, offset, length = (_number(fields, field) for field in (1, 4, 5))
        shape = tuple(_dimensions(fields.get(2, [])))
        if _number(fields, 3) or 7 in fields:
            raise PackageError("its tensors are in several files or slices, unlike the published ones")
        places.append((offset, offset + length))
        if kind in INTEGERS:
            continue
        if kind != FLOAT:
            raise PackageError(f"its numbers have an unsupported type ({kind})", "Save it as float32.")
        if size_in_bytes(SINGLE, shape) != length:
            raise PackageError("a tensor's shape doesn't fit its length")
        tensors[name] = StoredTensor(SINGLE, shape, offset, length, masked_crc32c=_number(fields, 6))
    end = 0
    for start, stop in sorted(places):
        if start < end:
            raise PackageError("its tensors overlap")
        end = stop
    if end > data_size:
        raise PackageError(f"{DATA} is truncated")
    return tensors


def _check_header(header: bytes | None) -> None:
    """Raise PackageError unless all tensors are in one little-endian file."""
    fields = {} if header is None else _fields(header)
    if _number(fields, 1) != 1 or _number(fields, 2):
        raise PackageError("its tensors are in several files or not little-endian, unlike the published ones")


def _dimensions(shapes: Sequence[int | bytes]) -> Iterator[int]:
    """Yield the sizes in a TensorShapeProto. A scalar has none."""
    for shape in shapes:
        if not isinstance(shape, bytes):
            raise PackageError("a tensor has an invalid shape")
        for dimension in _fields(shape).get(2, []):
            if not isinstance(dimension, bytes):
                raise PackageError("a tensor has an invalid shape")
            yield _number(_fields(dimension), 1)


def _number(fields: Mapping[int, Sequence[int | bytes]], field: int) -> int:
    """Return an integer field of a message: 0 if it is absent, as in protobuf."""
    values = fields.get(field, (0,))
    if len(values) != 1 or not isinstance(values[0], int):
        raise PackageError("an entry of its index is invalid")
    return values[0]


def _fields(message: bytes) -> dict[int, list[int | bytes]]:
    """Return the values of a protobuf message by field number."""
    reader = _Reader(message)
    fields: dict[int, list[int | bytes]] = {}
    while not reader.at_end:
        tag = reader.varint()
        value: int | bytes
        match tag & 7:
            case 0:  # varint
                value = reader.varint()
            case 2:  # bytes, with their length
                value = reader.take(reader.varint())
            case 5:  # 32 bits
                value = int.from_bytes(reader.take(4), "little")
            case _:
                raise PackageError("an entry of its index is invalid")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


class _Reader:
    """Reads bytes in order. Raises PackageError at the end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._content)

    def take(self, length: int) -> bytes:
        taken = self._content[self._position : self._position + length]
        if len(taken) < length:
            raise PackageError(DAMAGED)
        self._position += length
        return taken

    def varint(self) -> int:
        """Read an integer of up to 63 bits in groups of seven bits, the lowest first."""
        value = 0
        for shift in range(0, 63, 7):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise PackageError("a number in its index is too large")
