"""What a command costs, as the kernel accounts for it when it ends. Needs a Unix system."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process with all its threads, and those of its children it waited for."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    """Resident memory, of the largest single process."""


def measure(command: Sequence[str | Path], *, quiet: bool = True) -> Cost:
    """Run `command` to its end. Raises SystemExit when it fails."""
    output = subprocess.DEVNULL if quiet else None
    started = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - started
    if status:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB, macOS in bytes
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)
