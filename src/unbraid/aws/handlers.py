"""What stands around every function: its log, its trace and its numbers, and what it opens once for all its calls."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from unbraid.aws import clients
from unbraid.aws.factory import open_service
from unbraid.aws.settings import Settings
from unbraid.jobs.service import Service

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]

# Ids of sessions (32 letters of URLs; those of calls and traces are longer), links, and addresses of people.
PRIVATE = re.compile(
    r"(?<![\w-])[\w-]{32}(?![\w-])|(?<=\?)[^\s'\"\\]*X-Amz-[^\s'\"\\]*|[^\s'\"\\:<>@]+@[^\s'\"\\<>@]+\.\w+",
    re.ASCII,
)


class _Lines(LambdaPowertoolsFormatter):
    """One JSON object a line; nothing in it leads to a song or to whoever brought it."""

    def serialize(self, log: Any) -> str:
        """The line."""
        return PRIVATE.sub("…", super().serialize(log))


logger = Logger(logger_formatter=_Lines())
# Calls of AWS's services alone: looking for other libraries to follow takes time at each start.
tracer = Tracer(patch_modules=["botocore"])
metrics = Metrics(namespace="Unbraid")
warnings.filterwarnings("ignore", "No application metrics")  # most calls have none


@cache
def settings() -> Settings:
    """Those of this process. Raises SettingError."""
    return Settings.load()


@cache
def service() -> Service:
    """The service of this process. Raises SettingError."""
    return open_service(settings())


def count(name: str, number: int = 1) -> None:
    """One more, in the metrics of the deployment."""
    metrics.add_metric(name, MetricUnit.Count, number)


def watched(handler: Handler) -> Handler:
    """The handler with log, trace and metrics around it. Answers aren't traced: they hold links."""
    handler = tracer.capture_lambda_handler(handler, capture_response=False)
    handler = metrics.log_metrics(handler)  # nothing is sent, and paid for, while nobody comes
    return logger.inject_lambda_context(handler, clear_state=True)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # What the rest of the package logs gets the same form, once: the runtime's own handler would write it as it is.
    _package = logging.getLogger("unbraid")
    _package.addHandler(logger.registered_handler)
    _package.propagate = False
    # A function has a whole processor while it starts, and at 512 MB a third of one from its first call on. The first
    # client takes 0.1 s of it, as botocore reads what it knows of AWS; those made after it are quick.
    for _name in ("dynamodb", "s3"):
        clients.client(_name)
