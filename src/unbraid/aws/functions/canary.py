"""Scheduled canary: separate a second of sound end to end. A failure is an error of this function, with an alarm."""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers
from unbraid.aws.canary import Canary
from unbraid.aws.handlers import Event, logger

MARGIN_S = 30.0
"""Time left for the stems and for deleting the song."""


def canary(_event: Event, context: Any) -> None:
    """Run the canary. Raises CanaryError."""
    url = handlers.settings().api_url
    assert url is not None
    seconds = Canary(url, context.get_remaining_time_in_millis() / 1000 - MARGIN_S).run()
    if seconds is None:
        logger.info("skipped: the spending limit is reached")
    else:
        logger.info("separated", seconds=round(seconds, 1))


handler = handlers.watched(canary)
