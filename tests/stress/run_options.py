"""Options of long runs, from environment variables: `STRESS_KILLS=200 ./test -m stress tests/stress`."""

from __future__ import annotations

import os

SEED = int(os.environ.get("STRESS_SEED", "0"))


def option(name: str, default: float) -> float:
    """Value of `STRESS_{name}`."""
    return float(os.environ.get(f"STRESS_{name}", default))
