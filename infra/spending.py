"""`--at-most-usd`: a scheduled function that stops the machines once they have cost that much in a month."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.cpu import DISK_MB, NAME
from infra.endpoint import VARIANT
from infra.function import Function
from infra.nag import acknowledged
from infra.names import stack_name
from infra.rights import Rights, allow, named
from infra.settings import USD_PER_DISK_GB_HOUR, USD_PER_GB_HOUR, Settings
from unbraid.aws.prices import USD_PER_HOUR
from unbraid.aws.rollout import ALIAS
from unbraid.aws.spending import ITEM

EVERY = Duration.minutes(15)
"""In this time, two of the default instances cost 0.37 dollars."""


class SpendingLimit(Construct):
    """`topic`: receives a message when the machines are stopped or started."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        settings: Settings,
        code: lambda_.Code,
        environment: Mapping[str, str],
        rights: Rights,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, name)
        self._wake, self._separate = f"{stack_name(self)}-wake", f"{stack_name(self)}-{NAME}"
        price = settings.usd_per_hour
        if price is None:
            cpu = (settings.memory * USD_PER_GB_HOUR + DISK_MB * USD_PER_DISK_GB_HOUR) / 1024
            price = USD_PER_HOUR[settings.instance] if settings.compute == "gpu" else cpu
        function = Function(
            self,
            "spending",
            code=code,
            environment={
                **environment,
                "UNBRAID_USD_PER_HOUR": f"{price:.4f}",
                "UNBRAID_ENDPOINT_VARIANT": VARIANT,
                "UNBRAID_WAKE_ALARM": self._wake,
                "UNBRAID_SEPARATE_FUNCTION": self._separate,
                "UNBRAID_ALARMS_TOPIC": topic.topic_arn,
            },
            rights=[
                rights.sessions("GetItem"),
                allow(
                    ["dynamodb:PutItem", "dynamodb:DeleteItem"],
                    rights.storage.sessions.table_arn,
                    **{"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [ITEM]}},
                ),
                allow(["cloudwatch:GetMetricStatistics"], "*"),
                allow(["sns:Publish"], topic.topic_arn),
                *(self._endpoint() if settings.compute == "gpu" else self._function()),
            ],
        )
        acknowledged(
            function,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:lambda:<AWS::Region>:<AWS::AccountId>:event-source-mapping:*]",
            "AWS chooses the ids of mappings; the statement names the function.",
        )
        events.Rule(
            self,
            "Limit",
            rule_name=f"{stack_name(self)}-spending",
            schedule=events.Schedule.rate(EVERY),
            targets=[targets.LambdaFunction(function.function, retry_attempts=0)],
        )

    def _endpoint(self) -> list[iam.PolicyStatement]:
        alarm = ["cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions"]
        return [
            allow(
                ["sagemaker:UpdateEndpointWeightsAndCapacities"],
                named("sagemaker", f"endpoint/{stack_name(self)}"),
            ),
            allow(alarm, named("cloudwatch", f"alarm:{self._wake}")),
        ]

    def _function(self) -> list[iam.PolicyStatement]:
        return [
            allow(["lambda:ListEventSourceMappings"], "*"),
            allow(
                ["lambda:UpdateEventSourceMapping"],
                named("lambda", "event-source-mapping:*"),
                ArnEquals={"lambda:FunctionArn": named("lambda", f"function:{self._separate}:{ALIAS}")},
            ),
        ]
