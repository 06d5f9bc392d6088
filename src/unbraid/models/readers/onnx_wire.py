"""The protobuf encoding of ONNX files, read with limits on the number of fields and on every length."""

from __future__ import annotations

from collections.abc import Iterator

from unbraid.models.readers.tensors import PackageError

DAMAGED = "it is damaged, truncated or not an ONNX file"
LONGEST_NAME = 256  # bytes
LONGEST_VARINT = 10  # bytes, for 64 bits

VARINT, BITS_64, BYTES, BITS_32 = 0, 1, 2, 5  # kinds of fields

Value = int | memoryview


class Fields:
    """Reads the messages of one file. `most` is the number of fields that all messages together may have."""

    def __init__(self, most: int) -> None:
        self._left = most

    def of(self, message: memoryview) -> Iterator[tuple[int, Value]]:
        """Yield the number and the value of each field of a message.

        A value is an unsigned integer, or the bytes of a field of fixed or stated length. Raises PackageError.
        """
        position, end = 0, len(message)
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise PackageError("it has too many parts")
            tag, position = varint(message, position)
            number, kind = tag >> 3, tag & 7
            if not number:
                raise PackageError(DAMAGED)
            if kind == VARINT:
                value, position = varint(message, position)
                yield number, value
                continue
            if kind == BYTES:
                length, position = varint(message, position)
            elif kind in (BITS_32, BITS_64):
                length = 4 if kind == BITS_32 else 8
            else:
                raise PackageError(DAMAGED)
            if length > end - position:
                raise PackageError(DAMAGED)
            yield number, message[position : position + length]
            position += length


def varint(message: memoryview, position: int) -> tuple[int, int]:
    """Read an integer of up to 64 bits in groups of seven, the lowest first. Return it and the position after it."""
    value = 0
    for index, byte in enumerate(message[position : position + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value >> 64:
                raise PackageError(DAMAGED)
            return value, position + index + 1
    raise PackageError(DAMAGED)


def signed(value: int) -> int:
    """Return an int64 field's value."""
    return value - (1 << 64) if value >> 63 else value


def packed_varints(content: memoryview, most: int) -> list[int]:
    """Read at most `most` int64 values that fill `content`. Raises PackageError."""
    values: list[int] = []
    position = 0
    while position < len(content):
        if len(values) == most:
            raise PackageError("a list in it is too long")
        value, position = varint(content, position)
        values.append(signed(value))
    return values


def as_number(value: Value) -> int:
    """Return the value of a field of an unsigned integer. Raises PackageError for another kind of field."""
    if not isinstance(value, int):
        raise PackageError(DAMAGED)
    return value


def as_bytes(value: Value) -> memoryview:
    """Return the value of a field of bytes. Raises PackageError for another kind of field."""
    if isinstance(value, int):
        raise PackageError(DAMAGED)
    return value


def as_sized(value: Value, length: int | None = None) -> memoryview:
    """Return the value of a field of `length` bytes; None: up to LONGEST_NAME. Raises PackageError."""
    content = as_bytes(value)
    if len(content) > LONGEST_NAME or length not in (None, len(content)):
        raise PackageError(DAMAGED)
    return content


def as_name(value: Value) -> str:
    """Return the value of a field of a short text. Raises PackageError."""
    try:
        return bytes(as_sized(value)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PackageError(DAMAGED) from error
