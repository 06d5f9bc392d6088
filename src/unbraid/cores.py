"""How many cores this process has, also where a container gives it a share of the machine's."""

from __future__ import annotations

import os
from pathlib import Path

# Linux control group v2: "QUOTA PERIOD" in microseconds of CPU time, or "max PERIOD".
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(limit: Path = CPU_LIMIT) -> int:
    """Those that it may run on, and no more than its quota amounts to."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(own, cpu_quota(limit) or own)


def cpu_quota(limit: Path = CPU_LIMIT) -> int | None:
    """How many cores a container's quota of CPU time amounts to; None without one.

    Which cores there are, and which of them the process is bound to, a runtime finds out by itself.
    """
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):
        return None
