"""A file that appears whole or not at all: written under a temporary name beside its place, renamed when finished."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import av

from unbraid.errors import OutputError

LONGEST_NAME = 255  # bytes; the limit of ext4, XFS, APFS (there in UTF-8), and NTFS (there in characters)


class PartFile:
    """`file` is open for reading and writing as NAME.part-<random>. Raises OutputError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        name = os.fsencode(path.name)
        ending = b".part-" + secrets.token_hex(4).encode()
        if len(name) > LONGEST_NAME:
            raise explain(path, OSError(errno.ENAMETOOLONG, ""))
        if path.is_dir():
            raise explain(path, OSError(errno.EISDIR, ""))
        short = name[: LONGEST_NAME - len(ending)].decode("utf-8", "ignore")  # never half a character
        self._part = path.with_name(short + ending.decode())
        with self.discard_on_error():
            self.file: IO[bytes] = self._part.open("x+b")

    def commit(self) -> None:
        """Put the finished file in its place. Raises OutputError."""
        with self.discard_on_error():
            self.file.close()
            self._part.replace(self.path)

    def discard(self) -> None:
        """Remove what was written so far."""
        if hasattr(self, "file"):
            with contextlib.suppress(OSError):  # a full disk is reported once more when the buffer is flushed
                self.file.close()
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def discard_on_error(self) -> Iterator[None]:
        """Whatever goes wrong inside, the file is removed; what the system refused is told as OutputError."""
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            self.discard()
            if isinstance(error, MemoryError):  # FFmpeg's is both
                raise
            raise explain(self.path, error) from error
        except BaseException:
            self.discard()
            raise


def explain(path: Path, error: Exception) -> OutputError:
    """The system's `error` while writing `path`, in the user's words."""
    folder = path.parent
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk of {folder} is full. Free some space, or choose another folder.")
    if number == errno.EFBIG:
        return OutputError(
            f"{path.name} gets too large for the disk of {folder}. Choose another folder, or flac."
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"The folder {folder} may not be written to. Choose another folder.")
    if number in (errno.ENOENT, errno.ENOTDIR):
        return OutputError(f"The folder {folder} doesn't exist. Make it, or choose another.")
    if number == errno.EISDIR:
        return OutputError(
            f"{path} is a folder, and a file should get that name. Rename it, or choose another folder."
        )
    if number == errno.ENAMETOOLONG:
        return OutputError(
            f"The name {path.name[:40]}… is too long for a file. Rename the song to something shorter."
        )
    return OutputError(f"{path} can't be written: {error}. Check the disk, or choose another folder.")
