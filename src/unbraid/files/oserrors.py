"""Classify errors of the operating system, and describe them in plain words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unbraid.errors import OutputError, WriteProblem

_PROBLEMS = {
    errno.ENOSPC: WriteProblem.DISK_FULL,
    errno.EDQUOT: WriteProblem.DISK_FULL,
    errno.EFBIG: WriteProblem.TOO_LARGE,
    errno.EACCES: WriteProblem.NO_PERMISSION,
    errno.EPERM: WriteProblem.NO_PERMISSION,
    errno.EROFS: WriteProblem.NO_PERMISSION,
    errno.ENOENT: WriteProblem.NO_FOLDER,
    errno.ENOTDIR: WriteProblem.FILE_IN_THE_WAY,
    errno.EEXIST: WriteProblem.FILE_IN_THE_WAY,  # such as a link to a missing folder
    errno.EISDIR: WriteProblem.IS_FOLDER,
    errno.ENAMETOOLONG: WriteProblem.NAME_TOO_LONG,
}

_CAUSES = {
    WriteProblem.DISK_FULL: "the disk is full",
    WriteProblem.TOO_LARGE: "the file is too large for the disk",
    WriteProblem.NO_PERMISSION: "you have no permission",
    WriteProblem.NO_FOLDER: "the folder doesn't exist",
    WriteProblem.FILE_IN_THE_WAY: "a file is in the way of a folder",
    WriteProblem.IS_FOLDER: "it is a folder",
    WriteProblem.NAME_TOO_LONG: "the name is too long",
}

# What to do when stems can't be written; {option} is the command line's name for the output folder.
_ADVICE = {
    WriteProblem.DISK_FULL: "Free some space, or choose another output folder{option}.",
    WriteProblem.TOO_LARGE: "Choose another output folder{option}, or a format with smaller files, such as flac.",
    WriteProblem.NO_PERMISSION: "Choose another output folder{option}.",
    WriteProblem.NO_FOLDER: "Create it, or choose another output folder{option}.",
    WriteProblem.FILE_IN_THE_WAY: "Rename that file, or choose another output folder{option}.",
    WriteProblem.IS_FOLDER: "Rename it, or choose another output folder{option}.",
    WriteProblem.NAME_TOO_LONG: "Shorten the name, or choose another output folder{option}.",
    WriteProblem.OTHER: "Check the disk, or choose another output folder{option}.",
}


def write_problem(error: BaseException) -> WriteProblem:
    """Classify a failed write."""
    number = error.errno if isinstance(error, OSError) else None
    return _PROBLEMS.get(number, WriteProblem.OTHER) if number is not None else WriteProblem.OTHER


def write_cause(error: BaseException) -> str:
    """Return the cause of a failed write, such as "the disk is full"."""
    return _CAUSES.get(write_problem(error)) or read_cause(error)


def read_cause(error: BaseException) -> str:
    """Return the cause of a failed read in the system's words, such as "Permission denied"."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def output_error(path: Path, error: BaseException) -> OutputError:
    """Return the OutputError for a failed write to `path`."""
    problem = write_problem(error)
    return OutputError(
        f"can't be written: {write_cause(error)}.", path=path, problem=problem, advice=_ADVICE[problem]
    )


@contextmanager
def report_output_errors(path: Path) -> Iterator[None]:
    """Turn an OSError raised inside into an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, MemoryError):  # FFmpeg's MemoryError is an OSError too
            raise
        raise output_error(path, error) from error
