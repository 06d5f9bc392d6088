"""Atomic writes: a file or folder appears under its name when it is complete, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

from unbraid.files.workfolder import WorkFolder

PART = ".part-"
"""Prefix of the hidden name that a file has until it is complete."""
LONGEST_NAME = 255  # bytes; the limit of ext4, XFS, APFS (there in UTF-8), and NTFS (there in characters)


class AtomicFile:
    """A file that `commit` puts at `path`; until then `file` is open for reading and writing under a hidden name.

    As a context manager it removes the file unless it was committed. `mode` is for `os.open`. Raises OSError.
    """

    def __init__(self, path: Path, *, mode: int = 0o666, buffering: int = -1) -> None:
        self.path = path
        # Check now: both errors would otherwise appear in `commit`, after the work.
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
        if path.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        self._part = path.with_name(PART + secrets.token_hex(8))
        self.file: IO[bytes] = open(  # noqa: SIM115 - closed by commit or discard; Path.open has no opener
            self._part, "x+b", buffering, opener=lambda name, flags: os.open(name, flags, mode)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def commit(self, *, replace: bool = True) -> None:
        """Move the complete file to `path`. `replace`: over an older file; otherwise an older file stays."""
        self.file.close()
        if replace:
            self._part.replace(self.path)
        else:
            with suppress(FileExistsError):
                os.link(self._part, self.path)

    def discard(self) -> None:
        """Close the file and remove it unless it was committed."""
        with suppress(OSError):  # a full disk is reported again when the buffer is flushed
            self.file.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o666, replace: bool = True) -> Iterator[IO[bytes]]:
    """Yield a new file that appears at `path` when the block ends without an error; see `AtomicFile`."""
    with AtomicFile(path, mode=mode) as new:
        yield new.file
        new.commit(replace=replace)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `path` when the block ends without an error. Raises OSError.

    `path` must not be changed elsewhere while the block runs. Its parents are created. The next call with the
    same parent removes unfinished folders of killed processes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with WorkFolder(path.parent) as work:
        new = work / path.name  # not the work folder itself, which other users can't open
        new.mkdir()
        yield new
        if path.exists():
            path.rename(work / "old")
        new.rename(path)
