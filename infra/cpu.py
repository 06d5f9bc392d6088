"""`--compute cpu`: the same image as a Lambda function behind a queue, which costs nothing when idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CfnCondition, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.cpu_memory import TIMEOUT_S
from infra.function import role_for
from infra.images import Images
from infra.keep_warm import KeepWarm
from infra.log_groups import log_group
from infra.names import namespace, stack_name
from infra.rights import allow, named
from infra.rollout import Rollout, versioned
from infra.settings import Settings

DISK_MB = 10240
"""The maximum."""
TRIES = 3
NAME = "separate"
"""Name of the function, after the stack's."""


class Cpu(Construct):
    """The queue always exists, the function only once there is an image."""

    def __init__(self, scope: Construct, name: str, dead_letters: sqs.IQueue) -> None:
        super().__init__(scope, name)
        self.function_name = f"{stack_name(self)}-{NAME}"
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            # Lambda recommends six times the timeout, because it may retry within it.
            visibility_timeout=Duration.seconds(6 * TIMEOUT_S),
            retention_period=Duration.days(4),
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=TRIES),
            removal_policy=RemovalPolicy.DESTROY,
        )

    def dispatch(self) -> Sequence[iam.PolicyStatement]:
        """Return the rights to dispatch a song."""
        return [allow(["sqs:SendMessage"], self.queue.queue_arn)]

    def run(
        self,
        image: CfnCondition,
        images: Images,
        tag: str,
        settings: Settings,
        environment: Mapping[str, str],
        work: Sequence[iam.PolicyStatement],
        code: lambda_.Code,
    ) -> str:
        """Create the function, with at most `settings.at_most` concurrent runs, if `image`; return its log group.

        `code`: of the other functions, one of which proves a new image.
        """
        receive = [
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ]
        log = log_group(self, f"/aws/lambda/{self.function_name}")
        role = role_for(self, "lambda.amazonaws.com", log, [allow(receive, self.queue.queue_arn), *work])
        properties: dict[str, Any] = {
            "function_name": self.function_name,
            "package_type": "Image",
            "code": lambda_.CfnFunction.CodeProperty(image_uri=images.uri(tag)),
            "image_config": lambda_.CfnFunction.ImageConfigProperty(command=["function"]),
            "architectures": ["x86_64"],
            "role": role.role_arn,
            "memory_size": settings.memory,
            "ephemeral_storage": lambda_.CfnFunction.EphemeralStorageProperty(size=DISK_MB),
            "timeout": TIMEOUT_S,
            "tracing_config": lambda_.CfnFunction.TracingConfigProperty(mode="Active"),
            "logging_config": lambda_.CfnFunction.LoggingConfigProperty(log_group=log.log_group_name),
            "environment": lambda_.CfnFunction.EnvironmentProperty(
                variables={**environment, "POWERTOOLS_METRICS_NAMESPACE": namespace(self)}
            ),
        }
        function = lambda_.CfnFunction(
            self, "Function", description=versioned(self, tag, properties), **properties
        )
        self.rollout = Rollout(self, "Rollout", function, image, code)
        songs = lambda_.CfnEventSourceMapping(
            self,
            "Songs",
            event_source_arn=self.queue.queue_arn,
            function_name=self.rollout.alias.ref,
            batch_size=1,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=settings.at_most
            ),
        )
        for resource in (function, songs):
            resource.cfn_options.condition = image
        if settings.keep_warm:
            KeepWarm(self, "KeepWarm", self.rollout.alias, image)
        images.repository.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("lambda.amazonaws.com")],
                actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                conditions={
                    "ArnLike": {
                        "aws:SourceArn": [
                            named("lambda", f"function:{self.function_name}{version}")
                            for version in ("", ":*")
                        ]
                    }
                },
            )
        )
        return log.log_group_name
