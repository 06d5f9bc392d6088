"""Read ranges of a file as if they were a file of their own."""

from __future__ import annotations

import errno
import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from unbraid.audio.tag_blocks import Range

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Bytes; ext4's limit. Only a damaged size leads behind it. The system refuses such a position. FFmpeg then continues
# with the bytes behind the damaged size, which may be the next recording.
_LARGEST_FILE = 1 << 44


@dataclass(frozen=True)
class FilePart:
    """A file, or those `ranges` of it that belong to one recording."""

    path: Path
    ranges: tuple[Range, ...] | None = None
    """Byte ranges; None: the whole file."""
    head: bytes = b""
    """Bytes in front of the ranges, in place of a damaged header."""

    def open(self) -> BinaryIO:
        """Open the part for reading. Raises OSError."""
        if self.ranges is None:
            return self.path.open("rb")
        return cast("BinaryIO", io.BufferedReader(self.open_raw()))

    def open_raw(self) -> FileView:
        """Open the part without a buffer, for FFmpeg, which has its own."""
        return FileView(self.path, self.ranges or ((0, self.path.stat().st_size),), self.head)


def file_identity(path: Path) -> tuple[int, ...]:
    """Return what is different if the file was changed or replaced, for caches of what it contains. Raises OSError."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class FileView(io.RawIOBase):
    """Read-only file of a `head` and the `ranges` of another file, one after another."""

    def __init__(self, path: Path, ranges: Sequence[Range], head: bytes = b"") -> None:
        self.name = str(path)
        self._file = path.open("rb", buffering=0)
        self._ranges = ranges
        self._head = head
        # Position in the view of each range's start, and the size of the view.
        self._starts = list(accumulate((end - start for start, end in ranges), initial=len(head)))
        self._at = 0

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.IOBase`. Returns a negative number for a position that no file has."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}[whence]
        if base + offset > _LARGEST_FILE:
            return -errno.EINVAL  # FFmpeg's convention: an exception would end the reading
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read up to the end of the current range. Returns 0 at the end of the view."""
        view = memoryview(buffer).cast("B")
        if self._at < len(self._head):
            count = min(len(view), len(self._head) - self._at)
            view[:count] = self._head[self._at : self._at + count]
            self._at += count
            return count
        index = bisect_right(self._starts, self._at) - 1
        if index >= len(self._ranges):
            return 0
        start, end = self._ranges[index]
        at = start + self._at - self._starts[index]
        self._file.seek(at)
        count = self._file.readinto(view[: end - at]) or 0
        self._at += count
        return count

    def close(self) -> None:
        """See `io.IOBase`."""
        self._file.close()
        super().close()
