"""Scheduled check of the spending limit: every 15 minutes, stop the machines if they have cost too much this month."""

from __future__ import annotations

import time
from typing import Any

from unbraid.aws import clients, handlers
from unbraid.aws.handlers import Event, logger
from unbraid.aws.spending import EndpointMachines, FunctionMachines, SpendingLimit, Stopped


def spending(_event: Event, _context: Any) -> None:
    """Apply the limit, and publish to the topic of the alarms if machines were stopped or started."""
    settings = handlers.settings()
    assert settings.table is not None and settings.at_most_usd is not None
    machines: EndpointMachines | FunctionMachines
    if settings.endpoint is not None:
        machines = EndpointMachines(settings.endpoint, settings.endpoint_variant, settings.wake_alarm)
    else:
        machines = FunctionMachines(settings.separate_function)
    limit = SpendingLimit(settings.at_most_usd, settings.usd_per_hour, machines, Stopped(settings.table))
    cost, stopped = limit.apply(time.time())
    logger.info("spending", usd=round(cost, 2), at_most_usd=settings.at_most_usd, stopped=stopped)
    if stopped is not None and settings.alarms_topic is not None:
        what = "No more songs are separated this month" if stopped else "Songs are separated again"
        clients.client("sns").publish(
            TopicArn=settings.alarms_topic,
            Subject="Unbraid: spending limit",
            Message=f"{what}: the machines have cost about {cost:.2f} of {settings.at_most_usd:g} USD this month. "
            "What to do: docs/aws-runbook.md#spending-limit",
        )


handler = handlers.watched(spending)
