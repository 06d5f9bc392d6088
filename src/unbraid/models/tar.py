"""Read and write plain tar files (POSIX.1-1988, "ustar") in constant memory.

Python's `tarfile` follows extensions (long names, PAX headers, sparse files), whose size a hostile file chooses. Here
a header is one block of 512 bytes, and everything but regular files and folders is an error. A stream works too.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from unbraid.files.oserrors import read_cause

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
CHUNK = 1 << 20
LONGEST_PADDING = 1 << 20  # bytes; tar programs fill the last record, which has 10 kB by default


class TarError(Exception):
    """The file is no such tar file, or damaged. The message continues a sentence that starts with the file's name."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A regular file in a tar file."""

    name: str
    size: int
    content: Iterator[bytes]
    """Its bytes in chunks, until the next member is read."""


class TarReader:
    """Iterates over the regular files of a tar file. Raises TarError. `position`: bytes read so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.position = 0

    def __iter__(self) -> Iterator[TarMember]:
        while (header := self._read_exactly(BLOCK)).strip(b"\0"):
            try:
                member = tarfile.TarInfo.frombuf(header, "utf-8", "backslashreplace")
            except (tarfile.HeaderError, ValueError) as error:
                first = self.position == BLOCK
                raise TarError("is not a tar file" if first else "is damaged") from error
            if member.size < 0 or (member.isdir() and member.size):
                raise TarError("is damaged")
            if member.isdir():
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise TarError(f"contains {member.name!r}, which is not a regular file")
            content = self._chunks(member.size)
            yield TarMember(member.name, member.size, content)
            for _ in content:  # what the caller didn't read
                pass
        self._check_end()

    def _chunks(self, size: int) -> Iterator[bytes]:
        """Yield the content of a file, and skip the padding behind it."""
        left = size
        while left:
            chunk = self._read_exactly(min(left, CHUNK))
            left -= len(chunk)
            yield chunk
        self._read_exactly(-size % BLOCK)

    def _check_end(self) -> None:
        """Raise TarError unless a second block of zeros and nothing else follows."""
        rest = self._read_exactly(BLOCK) + self._read(LONGEST_PADDING)
        if len(rest) == BLOCK + LONGEST_PADDING or rest.strip(b"\0"):
            raise TarError("is damaged: more data follows its end")

    def _read_exactly(self, size: int) -> bytes:
        content = self._read(size)
        if len(content) < size:
            raise TarError("is truncated" if self.position else "is empty")
        return content

    def _read(self, size: int) -> bytes:
        try:
            content = self._file.read(size)
        except OSError as error:
            raise TarError(f"can't be read: {read_cause(error)}") from error
        self.position += len(content)
        return content


def header(name: str, size: int) -> bytes:
    """Return the header of a file. Equal files have equal headers: no time, no user. Raises ValueError."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def padding(size: int) -> bytes:
    """Return the zeros that follow the content of a file of `size` bytes."""
    return bytes(-size % BLOCK)
