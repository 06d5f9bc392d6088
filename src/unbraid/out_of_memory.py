"""Recognise the out-of-memory errors of all libraries, and report them as OutOfMemory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from unbraid.errors import OutOfMemory

_SIGNS = (
    "bad_alloc",  # C++
    "can't alloc",  # oneDNN
    "Failed to allocate",  # OpenVINO
    "Cannot allocate memory",  # ENOMEM
    "failed to map segment",  # the dynamic linker, while a library is imported
    "Resource temporarily unavailable",  # EAGAIN, for the stack of a thread
    "can't start new thread",  # Python, for the same reason
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that there is not enough memory."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _SIGNS)


def probe_memory(count: int) -> None:
    """Raise MemoryError if the process can't allocate `count` more bytes. For libraries that don't check."""
    try:
        mmap.mmap(-1, count).close()
    except OSError as error:
        raise MemoryError(str(error)) from error


@contextmanager
def report_out_of_memory() -> Iterator[None]:
    """Turn out-of-memory errors raised inside into OutOfMemory. Other errors are unchanged."""
    try:
        yield
    except (MemoryError, ImportError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            "There is not enough memory. Close other programs, or use a shorter --segment and fewer --jobs."
        ) from error
