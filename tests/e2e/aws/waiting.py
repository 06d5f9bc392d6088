"""Wait for other processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], within_s: float = 90) -> None:
    """Wait until the condition is true. Raises AssertionError after `within_s` seconds."""
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "the condition did not become true in time"
        time.sleep(0.1)
