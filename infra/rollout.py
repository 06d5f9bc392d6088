"""How a new image of the function that separates songs goes live: it proves itself, takes over, and is taken back.

The queue and the schedule call the alias `live`, which names a version: a copy of the function that doesn't change.
CloudFormation publishes a new version when its description changes, because it replaces a version then
(Template Reference, AWS::Lambda::Version: "Description … Update requires: Replacement"). CodeDeploy moves the alias
(CodeDeploy User Guide, "AWS Lambda deployments"). CloudFormation deletes the old version after that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import (
    CfnCodeDeployLambdaAliasUpdate,
    CfnCondition,
    CfnResource,
    CfnUpdatePolicy,
    Stack,
)
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.function import Function
from infra.nag import acknowledged
from infra.names import stack_name
from infra.rights import allow, named
from unbraid.aws.rollout import ALIAS

NAME = "prove"
"""Name of the function that calls a new version before it gets songs, after the stack's."""
SHIFT = "CodeDeployDefault.LambdaLinear10PercentEvery1Minute"
"""A tenth of the songs goes to the new version at once, and another tenth each minute: all of them after 9 minutes."""
ALARMS = ("new-image-errors", "new-image-faults")
"""Names of the alarms that take a new version back, after the stack's."""
TIMEOUT_S = 900
"""The maximum, which is that of the version that it calls."""


def versioned(scope: Construct, tag: str, properties: Mapping[str, Any]) -> str:
    """Return a description that changes with the image's `tag` and with every other property of the function.

    Lambda publishes no version of a function that is as it was, and CloudFormation fails then. So the function has the
    description too, and is never as it was when the description changes.
    """
    resolved = json.dumps(Stack.of(scope).resolve(dict(properties)), sort_keys=True)
    return f"image {tag}, settings {hashlib.sha256(resolved.encode()).hexdigest()[:16]}"


class Rollout(Construct):
    """Version, alias and their deployment, all under the condition `image`.

    `function`: has the description of `versioned`. `code`: of the function that proves a version.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        function: lambda_.CfnFunction,
        image: CfnCondition,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, name)
        assert function.function_name is not None
        self._function = named("lambda", f"function:{function.function_name}")
        self._group_name = function.function_name
        self.version = lambda_.CfnVersion(
            self, "Version", function_name=function.ref, description=function.description
        )
        self.alias = lambda_.CfnAlias(
            self,
            "Alias",
            name=ALIAS,
            function_name=function.ref,
            function_version=self.version.attr_version,
        )
        prove = self._prove(code, image)
        alarms = [f"{stack_name(self)}-{alarm}" for alarm in ALARMS]
        application = codedeploy.CfnApplication(
            self, "Application", application_name=self._group_name, compute_platform="Lambda"
        )
        self.group = codedeploy.CfnDeploymentGroup(
            self,
            "Group",
            application_name=application.ref,
            deployment_group_name=self._group_name,
            service_role_arn=self._role(alarms).role_arn,
            deployment_config_name=SHIFT,
            deployment_style=codedeploy.CfnDeploymentGroup.DeploymentStyleProperty(
                deployment_type="BLUE_GREEN", deployment_option="WITH_TRAFFIC_CONTROL"
            ),
            alarm_configuration=codedeploy.CfnDeploymentGroup.AlarmConfigurationProperty(
                enabled=True,
                alarms=[codedeploy.CfnDeploymentGroup.AlarmProperty(name=name) for name in alarms],
            ),
            auto_rollback_configuration=codedeploy.CfnDeploymentGroup.AutoRollbackConfigurationProperty(
                enabled=True,
                events=["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
            ),
        )
        self.alias.cfn_options.update_policy = CfnUpdatePolicy(
            code_deploy_lambda_alias_update=CfnCodeDeployLambdaAliasUpdate(
                application_name=application.ref,
                deployment_group_name=self.group.ref,
                before_allow_traffic_hook=prove.ref,
            )
        )
        # Also the alarms, which the group depends on: they watch the new version before that gets songs.
        self.alias.add_resource_dependency(self.group)
        self.alias.add_resource_dependency(prove)
        for resource in (self.version, self.alias, application, self.group):
            resource.cfn_options.condition = image

    def _prove(self, code: lambda_.Code, image: CfnCondition) -> CfnResource:
        """Create the function that CodeDeploy calls before a new version gets songs."""
        group = named("codedeploy", f"deploymentgroup:{self._group_name}/{self._group_name}")
        prove = Function(
            self,
            NAME,
            code=code,
            environment={"UNBRAID_NEW_VERSION": self.version.ref},
            rights=[
                allow(["lambda:InvokeFunction"], f"{self._function}:*"),
                allow(["codedeploy:PutLifecycleEventHookExecutionStatus"], group),
            ],
            timeout_s=TIMEOUT_S,
        )
        self._explain(prove)
        resource = prove.function.node.default_child
        assert isinstance(resource, CfnResource)
        resource.cfn_options.condition = image
        return resource

    def _role(self, alarms: Sequence[str]) -> iam.Role:
        """Return the role of CodeDeploy, with the rights of AWS's policy for Lambda, limited to this function."""
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"),
            inline_policies={
                "rights": iam.PolicyDocument(
                    statements=[
                        allow(
                            ["lambda:GetAlias", "lambda:UpdateAlias"],
                            self._function,
                            f"{self._function}:{ALIAS}",
                        ),
                        allow(["lambda:GetProvisionedConcurrencyConfig"], f"{self._function}:*"),
                        allow(
                            ["lambda:InvokeFunction"],
                            named("lambda", f"function:{stack_name(self)}-{NAME}"),
                        ),
                        allow(
                            ["cloudwatch:DescribeAlarms"],
                            *(named("cloudwatch", f"alarm:{alarm}") for alarm in alarms),
                        ),
                    ]
                )
            },
        )
        self._explain(role)
        return role

    def _explain(self, construct: Construct) -> None:
        acknowledged(
            construct,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:lambda:<AWS::Region>:<AWS::AccountId>:"
            f"function:{self._group_name}:*]",
            "AWS numbers the versions of the function.",
        )
