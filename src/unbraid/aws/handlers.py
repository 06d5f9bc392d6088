"""Common parts of all functions: log, trace and metrics around each handler, and objects built once per process."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from unbraid.aws import clients
from unbraid.aws.counters import DynamoCounters
from unbraid.aws.factory import open_sessions
from unbraid.aws.logs import RedactedFormatter
from unbraid.aws.settings import Settings
from unbraid.jobs.service import Service
from unbraid.jobs.sessions import Sessions
from unbraid.jobs.use import UseLimits

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]

logger = Logger(logger_formatter=RedactedFormatter())
# Trace AWS calls only: looking for other libraries to patch takes time at each start.
tracer = Tracer(patch_modules=["botocore"])
metrics = Metrics(namespace="Unbraid")
warnings.filterwarnings("ignore", "No application metrics")  # most calls count nothing


@cache
def settings() -> Settings:
    """Return the settings of this process. Raises SettingError."""
    return Settings.load()


@cache
def sessions() -> Sessions:
    """Return the sessions of this process. Raises SettingError."""
    return open_sessions(settings())


def service() -> Service:
    """Return the service for users. Raises SettingError."""
    return Service(sessions())


@cache
def use_limits() -> UseLimits | None:
    """Return the limits of each client; None: there are none. Raises SettingError."""
    table = settings().usage
    if table is None:
        return None
    return UseLimits(DynamoCounters(table), settings().songs_per_hour, settings().calls_per_minute)


def count(name: str, number: int = 1) -> None:
    """Add to a metric of the deployment."""
    metrics.add_metric(name, MetricUnit.Count, number)


def watched(handler: Handler) -> Handler:
    """Wrap a handler with log, trace and metrics. Answers aren't traced, because they contain links."""
    handler = tracer.capture_lambda_handler(handler, capture_response=False)
    handler = metrics.log_metrics(handler)  # without calls, no metric is sent or paid for
    return logger.inject_lambda_context(handler, clear_state=True)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # Log records of the rest of the package get the same form. The runtime's own handler would write them unredacted,
    # and a second time.
    _package = logging.getLogger("unbraid")
    _package.addHandler(logger.registered_handler)
    _package.propagate = False
    # Create clients now: a starting function has a whole processor; from its first call on, at 512 MB, only a third.
    # The first client takes 0.1 s, because botocore then reads its data about AWS; later clients are quick.
    for _name in ("dynamodb", "s3"):
        clients.client(_name)
