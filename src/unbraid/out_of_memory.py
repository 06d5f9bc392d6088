"""Recognises that memory ran out, whatever the library that noticed calls it, and says so in the user's words."""

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
    "failed to map segment",  # the dynamic linker, for a library that is being imported
    "Resource temporarily unavailable",  # EAGAIN, for a thread's stack
    "can't start new thread",  # the same by Python
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that there was not enough memory."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _SIGNS)


def probe_memory(count: int) -> None:
    """Raise MemoryError where the process can't have `count` bytes more, for a library that doesn't notice."""
    try:
        mmap.mmap(-1, count).close()
    except OSError as error:
        raise MemoryError(str(error)) from error


@contextmanager
def report_out_of_memory() -> Iterator[None]:
    """Inside, running out of memory is an OutOfMemory; all other errors stay what they are."""
    try:
        yield
    except (MemoryError, ImportError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            "there is not enough memory. Close other programs, or use a shorter --segment and fewer --jobs."
        ) from error
