"""Standard output and standard error that are closed, or on a full disk.

Lost messages don't stop a command. A lost result does not either, but the exit code is then 1. A pipe whose reader has
ended (`| head -1`) still raises BrokenPipeError, which ends the command as usual.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO

from unbraid.errors import UnbraidError
from unbraid.files.oserrors import write_cause


class StandardOutputError(UnbraidError):
    """A result can't be written to standard output."""


def open_missing() -> None:
    """Open the standard streams that were closed (`>&-`).

    Otherwise the next file that is opened would become standard output or standard error, and messages would be
    written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Standard output can only be read: a result must not disappear silently.
            null = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            if null == number:
                os.set_inheritable(number, True)
            else:
                os.dup2(null, number)  # which child processes inherit
                os.close(null)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for the rest of the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def write_result(text: str, stream: TextIO | None = None) -> None:
    """Write `text` to standard output, or to the `stream` that was it. Raises StandardOutputError."""
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(stream)
        cause = "it is closed" if error.errno == errno.EBADF else write_cause(error)
        raise StandardOutputError(
            f"Standard output can't be written: {cause}. The result is lost."
        ) from error


def write_message(text: str, stream: TextIO | None = None) -> None:
    """Write `text` to standard error, or to `stream`, if possible."""
    stream = stream or sys.stderr
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """Discard the rest of the output to `stream`, which can't be written."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
