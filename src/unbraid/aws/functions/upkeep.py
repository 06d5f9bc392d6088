"""What is done by the clock: every minute what is stuck is set going again, every hour what has expired is deleted."""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers
from unbraid.aws.handlers import Event, count, logger

REMIND_S = 1800.0
"""After so long without anybody beginning, a song is dispatched once more. An instance of the endpoint that has to be
started first takes minutes, not half an hour."""


def upkeep(event: Event, _context: Any) -> None:
    """`{"task": "recover"}` or `{"task": "sweep"}`, as the schedules of EventBridge send them."""
    service = handlers.service()
    match event["task"]:
        case "recover":
            recovered, reminded = service.recover(), service.remind(REMIND_S)
            count("SongsRecovered", recovered)
            if recovered or reminded:
                logger.warning("set going again", recovered=recovered, reminded=reminded)
        case "sweep":
            swept = service.sweep()
            logger.info("swept", sessions=swept.sessions, orphans=swept.orphans)
        case other:
            raise ValueError(f"there is no task {other!r}")


handler = handlers.watched(upkeep)
