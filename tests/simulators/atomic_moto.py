"""Moto's server, with atomic writes to a table as DynamoDB has them. Run as a program.

In moto's own, two conditional updates at the same time may both read the same item, and one of them is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.server import main

_writing = threading.RLock()


def _one_at_a_time(write: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(write)
    def run(*arguments: Any, **named: Any) -> Any:
        with _writing:
            return write(*arguments, **named)

    return run


if __name__ == "__main__":
    for name in ("put_item", "update_item", "delete_item", "batch_write_item", "transact_write_items"):
        setattr(DynamoDBBackend, name, _one_at_a_time(getattr(DynamoDBBackend, name)))
    main()
