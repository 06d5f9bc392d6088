"""One Lambda function, with its own role of minimal rights and a log that is kept for a month."""

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
from infra.names import namespace, stack_name
from infra.rights import allow

RUNTIME = lambda_.Runtime.PYTHON_3_13
MEMORY_MB = 512
"""The share of a processor grows with the memory: 512 MB has a third of one, and starts in about a second."""
HTTP_TIMEOUT_S = 29
"""The HTTP API times out after 30."""

TRACES = "X-Ray has no resources to name: the right to write traces covers the account."


def role_for(
    scope: Construct, service: str, log: logs.LogGroup, rights: Sequence[iam.PolicyStatement]
) -> iam.Role:
    """Create a role for one function that may write its log and traces, and has `rights`."""
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
        log = log_group(self, f"/aws/lambda/{stack_name(self)}-{name}")
        explained(self, L1="Libraries of the bundle are compiled for this version.")
        if dead_letters is not None:
            rights = [*rights, allow(["sqs:SendMessage"], dead_letters.queue_arn)]
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=f"{stack_name(self)}-{name}",
            code=code,
            handler=f"unbraid.aws.functions.{name}.handler",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=MEMORY_MB,
            ephemeral_storage_size=Size.mebibytes(512),
            timeout=Duration.seconds(timeout_s),
            # The role already has every right that the construct would add.
            role=role_for(self, "lambda.amazonaws.com", log, rights).without_policy_updates(),
            log_group=log,
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": namespace(self),
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
            on_failure=None if dead_letters is None else destinations.SqsDestination(dead_letters),
        )
