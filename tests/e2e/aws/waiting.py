"""Waiting for what happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def soon(condition: Callable[[], Any], within_s: float = 30) -> None:
    """Until that is true. Raises AssertionError when it takes too long."""
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "nothing happens"
        time.sleep(0.1)
