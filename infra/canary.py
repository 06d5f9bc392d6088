"""`--canary`: a function that separates a second of sound on a schedule, through the public API."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.function import Function
from infra.names import stack_name
from infra.settings import Settings

NAME = "canary"
TIMEOUT_S = 900
"""The maximum. An instance takes up to ten minutes to start."""


def interval(settings: Settings) -> Duration:
    """Return how often the canary runs.

    With an endpoint, each run starts an instance, which stays for a quarter of an hour: about 0.25 dollars. Every hour
    that would be 180 dollars a month.
    """
    return Duration.hours(1) if settings.compute == "cpu" else Duration.days(1)


class Canary(Construct):
    """`url`: URL of the HTTP API."""

    def __init__(self, scope: Construct, name: str, settings: Settings, code: lambda_.Code, url: str) -> None:
        super().__init__(scope, name)
        environment = {"UNBRAID_API_URL": url}
        function = Function(
            self, NAME, code=code, environment=environment, rights=[], timeout_s=TIMEOUT_S
        ).function
        # A retry would hide the failure, and separate two more songs.
        function.configure_async_invoke(retry_attempts=0)
        events.Rule(
            self,
            "Schedule",
            rule_name=f"{stack_name(self)}-{NAME}",
            schedule=events.Schedule.rate(interval(settings)),
            targets=[targets.LambdaFunction(function, retry_attempts=0)],
        )
