"""Count the cores that this process may use, also in a container with a CPU quota."""

from __future__ import annotations

import os
from pathlib import Path

# Linux control group v2: "QUOTA PERIOD" in microseconds of CPU time, or "max PERIOD".
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(limit: Path = CPU_LIMIT) -> int:
    """Return the number of cores that the process may run on, at most its CPU quota."""
    own = allowed_cores()
    return min(own, cpu_quota(limit) or own)


def allowed_cores() -> int:
    """Return the number of cores that the process may run on, whatever its CPU quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota(limit: Path = CPU_LIMIT) -> int | None:
    """Return the CPU quota of the container in cores; None without a quota.

    Runtimes find the cores and the process's affinity by themselves, but not the quota.
    """
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return max(1, round(int(quota) / int(period)))
    except (OSError, ValueError):
        return None
