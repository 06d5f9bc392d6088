"""The disk that is worked on: folders that go by themselves, and what it refuses, told without naming its folders."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unbraid.errors import OutputError

NO_ROOM = "There is no room left for the stems. Delete songs that you no longer need, or try again later."
NOT_STORED = "The stems can't be stored. Whoever runs this app has to look at its disk."

log = logging.getLogger(__name__)


@contextmanager
def in_users_words() -> Iterator[None]:
    """Inside, an OutputError of the command line, with its folders and options, becomes one without."""
    try:
        yield
    except OutputError as error:
        full = any(isinstance(cause, OSError) and is_full(cause) for cause in causes(error))
        if not full:
            log.exception("files can't be written")
        raise OutputError(NO_ROOM if full else NOT_STORED) from error


def is_full(error: OSError) -> bool:
    """Whether there was no room for a file."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def work_folder(scratch: Path) -> Iterator[Path]:
    """A folder of its own in `scratch`, which is made. It goes at the end, or, after a kill, before the next is made.

    Raises OutputError.
    """
    from unbraid.separation.workfolder import WorkFolder  # which brings numpy and FFmpeg

    with in_users_words():
        try:
            scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            work = WorkFolder(scratch)
        except OSError as error:
            raise OutputError(str(error)) from error
    try:
        yield work.path
    finally:
        work.remove()


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, what caused that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__
