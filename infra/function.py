"""The Lambda functions: each with a role of its own that may do what it needs, and a log that is kept for a month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.log_groups import log_group
from infra.nag import acknowledged, explained
from infra.rights import allow
from infra.settings import STACK

RUNTIME = lambda_.Runtime.PYTHON_3_13
NAMESPACE = STACK.title()
"""Of the functions' own metrics."""
MEMORY_MB = 512
"""A function's share of a processor grows with it: at 512 MB it has a third of one, and starts in about a second."""
HTTP_TIMEOUT_S = 29
"""The HTTP API gives up after 30."""

TRACES = "X-Ray knows no resources: traces can be written to the account's or not at all."


def role_for(
    scope: Construct, service: str, log: logs.LogGroup, rights: Sequence[iam.PolicyStatement]
) -> iam.Role:
    """A role for one function, that may write its log and its traces, and what `rights` say."""
    write = ["logs:CreateLogStream", "logs:PutLogEvents"]
    trace = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal(service),
        inline_policies={
            "rights": iam.PolicyDocument(
                statements=[allow(write, log.log_group_arn), allow(trace, "*"), *rights]
            )
        },
    )
    acknowledged(role, "AwsSolutions-IAM5[Resource::*]", TRACES)
    return role


class Function(Construct):
    """The function of one module of `unbraid.aws.functions`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        code: lambda_.Code,
        environment: Mapping[str, str],
        rights: Sequence[iam.PolicyStatement],
        timeout_s: int = HTTP_TIMEOUT_S,
        dead_letters: sqs.IQueue | None = None,
    ) -> None:
        super().__init__(scope, name.title())
        log = log_group(self, f"/aws/lambda/{STACK}-{name}")
        explained(self, L1="Libraries of the bundle are compiled for this version.")
        if dead_letters is not None:
            rights = [*rights, allow(["sqs:SendMessage"], dead_letters.queue_arn)]
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=f"{STACK}-{name}",
            code=code,
            handler=f"unbraid.aws.functions.{name}.handler",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=MEMORY_MB,
            ephemeral_storage_size=Size.mebibytes(512),
            timeout=Duration.seconds(timeout_s),
            # Not to be changed by the construct: all it would add is in there.
            role=role_for(self, "lambda.amazonaws.com", log, rights).without_policy_updates(),
            log_group=log,
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
            on_failure=None if dead_letters is None else destinations.SqsDestination(dead_letters),
        )
