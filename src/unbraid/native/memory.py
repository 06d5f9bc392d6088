"""Memory for the native library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64  # bytes, as in arena.h


def aligned_bytes(count: int) -> NDArray[np.uint8]:
    """Allocate bytes at an address with the alignment that the vectors need."""
    memory = np.empty(count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count]
