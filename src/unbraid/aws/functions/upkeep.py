"""Scheduled upkeep: every minute, requeue sessions that are stuck; every hour, delete expired ones."""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers
from unbraid.aws.handlers import Event, count, logger
from unbraid.errors import UnbraidError
from unbraid.jobs.sweeper import Sweeper

REMIND_S = 1800.0
"""A song that no worker has begun is dispatched again after this time. Starting an instance of the endpoint takes
minutes, not half an hour."""


def upkeep(event: Event, _context: Any) -> None:
    """Handle `{"task": "recover"}` or `{"task": "sweep"}`, as the EventBridge schedules send them."""
    sweeper = Sweeper(handlers.sessions())
    match event["task"]:
        case "recover":
            recovered, (reminded, errors) = sweeper.recover(), sweeper.remind(REMIND_S)
            count("SongsRecovered", recovered)
            if recovered or reminded or errors:
                logger.warning(
                    "requeued or dispatched again", recovered=recovered, reminded=reminded, failed=len(errors)
                )
            # Songs may wait for the first image. Any other cause has to reach the dead-letter queue, and its alarm.
            if unexpected := [error for error in errors if not isinstance(error, UnbraidError)]:
                raise unexpected[0]
        case "sweep":
            swept = sweeper.sweep()
            logger.info("swept", sessions=swept.sessions, orphans=swept.orphans)
        case other:
            raise ValueError(f"unknown task {other!r}")


handler = handlers.watched(upkeep)
