"""Measure time and memory of a command, from the kernel's figures at its end. Needs a Unix system."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one process, including its threads and its finished child processes."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    """Peak resident memory of the largest single process."""


class CommandFailed(SystemExit):
    """A command ended with an error. A benchmark that does not catch this ends with the command's last line."""


def measure(command: Sequence[str | Path], *, quiet: bool = True) -> Cost:
    """Run `command` to its end. Raises CommandFailed."""
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=errors if quiet else None,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # already reaped by wait4
        if status:
            errors.seek(0)
            raise failure(command, process.returncode, errors.read())
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB, macOS in bytes
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def failure(command: Sequence[str | Path], exit_code: int, output: bytes) -> CommandFailed:
    """Return the error for a failed command: its exit code (negative: a signal) and the last line of its output."""
    lines = output.decode(errors="replace").strip().splitlines()
    message = lines[-1].strip()[:200] if lines else "no message"
    return CommandFailed(f"{Path(command[0]).name} failed ({exit_code}): {message}")
