"""`--keep-warm`: a call every few minutes, which keeps a sandbox of the function that separates, with its model loaded.

AWS documents no time after which it removes an idle sandbox, so a song may meet a cold start all the same. A song that
comes while another one is separated gets a second sandbox, which starts cold.
"""

from __future__ import annotations

import json

from aws_cdk import CfnCondition
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.names import stack_name

EVERY_MIN = 5
TASK = "keep-warm"
"""What the event asks for: `unbraid.aws.container.function`."""


class KeepWarm(Construct):
    """Calls the function through `alias` on a schedule. Exists under the condition `image`, as the alias does."""

    def __init__(self, scope: Construct, name: str, alias: lambda_.CfnAlias, image: CfnCondition) -> None:
        super().__init__(scope, name)
        rule = events.CfnRule(
            self,
            "Schedule",
            name=f"{stack_name(self)}-{TASK}",
            description="Keeps a sandbox of the function that separates songs",
            schedule_expression=f"rate({EVERY_MIN} minutes)",
            targets=[
                events.CfnRule.TargetProperty(
                    id="Function",
                    arn=alias.ref,
                    input=json.dumps({"task": TASK}),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_retry_attempts=0, maximum_event_age_in_seconds=60
                    ),
                )
            ],
        )
        permission = lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=alias.ref,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        # The next call comes soon. Lambda would repeat a failed one twice.
        once = lambda_.CfnEventInvokeConfig(
            self,
            "Once",
            function_name=alias.function_name,
            qualifier=alias.name,
            maximum_retry_attempts=0,
        )
        once.add_resource_dependency(alias)
        for resource in (rule, permission, once):
            resource.cfn_options.condition = image
