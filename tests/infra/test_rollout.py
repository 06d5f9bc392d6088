"""A new image of the function that separates songs proves itself, takes over gradually, and is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from tests.infra.template_queries import (
    Template,
    condition_of,
    listed,
    one,
    resources,
    role_of,
    statements,
    text,
)
from tests.simulators.cloudformation import Template as Deployed

from unbraid.aws.rollout import FAULTS, SERVICE
from unbraid.aws.settings import PREFIX
from unbraid.aws.settings import Settings as AwsSettings

Synth = Callable[..., Template]


def key_of(template: Template, kind: str) -> str:
    """Return the logical id of the only resource of a type."""
    (key,) = resources(template, kind)
    return key


def image_function(template: Template) -> dict[str, Any]:
    """Return the function that separates."""
    (function,) = (
        each
        for each in resources(template, "Lambda::Function").values()
        if each.get("PackageType") == "Image"
    )
    return function


def test_the_queue_calls_the_alias_of_a_version(synth: Synth) -> None:
    template = synth()
    mappings = resources(template, "Lambda::EventSourceMapping")
    (songs,) = (each for name, each in mappings.items() if name.startswith("Cpu"))
    assert songs["FunctionName"] == {"Ref": key_of(template, "Lambda::Alias")}
    alias, version = one(template, "Lambda::Alias"), key_of(template, "Lambda::Version")
    assert alias["Name"] == "live"
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    function = {
        "Ref": next(name for name in resources(template, "Lambda::Function") if "CpuFunction" in name)
    }
    assert alias["FunctionName"] == one(template, "Lambda::Version")["FunctionName"] == function
    # CodeDeploy sets the weights.
    assert "RoutingConfig" not in alias
    # The old version stays until the alias has left it, and no longer.
    assert "UpdateReplacePolicy" not in template["Resources"][version]


def descriptions(template: Template, tag: str) -> tuple[str, str]:
    """Return the descriptions of version and function once the image with that tag is deployed."""
    deployed = Deployed(template, {"ImageTag": tag})
    (version,) = deployed.of_type("AWS::Lambda::Version").values()
    (function,) = (
        each for each in deployed.of_type("AWS::Lambda::Function").values() if "ImageConfig" in each
    )
    return version["Description"], function["Description"]


def test_a_new_image_publishes_a_version_without_a_new_template(synth: Synth) -> None:
    """The build of the image changes only the parameter. CloudFormation replaces what can only be created."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::Lambda::Version").schema
    assert "/properties/Description" in schema["createOnlyProperties"]
    old, new = (descriptions(synth(), tag) for tag in ("old-cpu", "new-cpu"))
    assert old[0] != new[0]
    assert "old-cpu" in old[0] and "new-cpu" in new[0]
    # Lambda publishes no version of a function that is as it was, and CloudFormation fails then.
    assert (old[0], new[0]) == (old[1], new[1])
    # It accepts 256 characters; a tag may have 128.
    assert len(descriptions(synth(), 128 * "x")[0]) <= 256


@pytest.mark.parametrize("changed", [{"memory": 3008}, {"site": "https://music.example.org"}])
def test_changed_settings_publish_a_version_of_the_same_image(
    synth: Synth, changed: dict[str, object]
) -> None:
    """A version keeps the settings of the time when it was published."""
    assert descriptions(synth(), "a-cpu") != descriptions(synth(**changed), "a-cpu")


def test_other_changes_publish_no_version(synth: Synth) -> None:
    for changed in ({"budget": 7}, {"alarms": "me@example.org"}, {"keep_warm": True}, {"at_most": 9}):
        assert descriptions(synth(), "a-cpu") == descriptions(synth(**changed), "a-cpu")


def test_a_new_version_gets_songs_gradually_after_it_has_proven_itself(synth: Synth) -> None:
    template = synth()
    alias = template["Resources"][key_of(template, "Lambda::Alias")]
    policy = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert policy["ApplicationName"] == {"Ref": key_of(template, "CodeDeploy::Application")}
    assert policy["DeploymentGroupName"] == {"Ref": key_of(template, "CodeDeploy::DeploymentGroup")}
    assert one(template, "CodeDeploy::Application")["ComputePlatform"] == "Lambda"
    group = one(template, "CodeDeploy::DeploymentGroup")
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaLinear10PercentEvery1Minute"
    assert group["DeploymentStyle"] == {
        "DeploymentOption": "WITH_TRAFFIC_CONTROL",
        "DeploymentType": "BLUE_GREEN",
    }
    hook = policy["BeforeAllowTrafficHook"]["Ref"]
    function = template["Resources"][hook]["Properties"]
    assert function["Handler"] == "unbraid.aws.functions.prove.handler"
    variables = function["Environment"]["Variables"]
    assert variables["UNBRAID_NEW_VERSION"] == {"Ref": key_of(template, "Lambda::Version")}
    names = {name.removeprefix(PREFIX).lower() for name in variables if name.startswith(PREFIX)}
    assert names <= AwsSettings.model_fields.keys()
    assert function["Timeout"] == image_function(template)["Timeout"]
    # It calls the new version, and not that of the last update.
    assert hook in alias["DependsOn"]


def test_alarms_on_the_new_version_take_it_back(synth: Synth) -> None:
    template = synth()
    group = one(template, "CodeDeploy::DeploymentGroup")
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"} <= set(
        group["AutoRollbackConfiguration"]["Events"]
    )
    assert group["AlarmConfiguration"]["Enabled"] is True
    names = {each["Name"] for each in group["AlarmConfiguration"]["Alarms"]}
    alarms = resources(template, "CloudWatch::Alarm")
    keys = [each for each in alarms if alarms[each]["AlarmName"] in names]
    metrics = {}
    for key in keys:
        watched = alarms[key]
        if "Metrics" in watched:
            (labelled,) = watched["Metrics"]
            watched = {**labelled["MetricStat"]["Metric"], "Period": labelled["MetricStat"]["Period"]}
        metrics[watched["MetricName"]] = watched
    dimensions = {
        name: {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        for name, metric in metrics.items()
    }
    # Errors of the old version don't take back the image that mends them.
    version = {"Fn::GetAtt": [key_of(template, "Lambda::Version"), "Version"]}
    assert dimensions == {
        "Errors": {
            "FunctionName": "unbraid-separate",
            "Resource": "unbraid-separate:live",
            "ExecutedVersion": version,
        },
        FAULTS: {"service": SERVICE, "version": version},
    }
    # A minute is a tenth of the deployment.
    assert {metric["Period"] for metric in metrics.values()} == {60}
    # The function counts in the namespace that the alarm looks at.
    variables = image_function(template)["Environment"]["Variables"]
    assert metrics[FAULTS]["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"]
    # They watch the new version before that gets songs.
    alias, deployment = key_of(template, "Lambda::Alias"), key_of(template, "CodeDeploy::DeploymentGroup")
    assert deployment in template["Resources"][alias]["DependsOn"]
    assert set(keys) <= set(template["Resources"][deployment]["DependsOn"])


def allowed(template: Template, role: str) -> dict[str, list[str]]:
    """Return the resources of each action, after their account."""
    return {
        action: [
            text(each).rpartition("<AWS::AccountId>:")[2] or text(each)
            for each in listed(statement["Resource"])
        ]
        for statement in statements(template, role)
        for action in listed(statement["Action"])
    }


def test_codedeploy_may_move_this_alias_only(synth: Synth) -> None:
    template = synth()
    role = one(template, "CodeDeploy::DeploymentGroup")["ServiceRoleArn"]["Fn::GetAtt"][0]
    (trust,) = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "codedeploy.amazonaws.com"}
    function = "function:unbraid-separate"
    assert allowed(template, role) == {
        "lambda:GetAlias": [function, f"{function}:live"],
        "lambda:UpdateAlias": [function, f"{function}:live"],
        "lambda:GetProvisionedConcurrencyConfig": [f"{function}:*"],
        "lambda:InvokeFunction": ["function:unbraid-prove"],
        "cloudwatch:DescribeAlarms": ["alarm:unbraid-new-image-errors", "alarm:unbraid-new-image-faults"],
    }


def test_the_function_that_proves_may_call_versions_and_report(synth: Synth) -> None:
    template = synth()
    rights = allowed(template, role_of(template, "unbraid-prove"))
    assert rights.pop("lambda:InvokeFunction") == ["function:unbraid-separate:*"]
    group = one(template, "CodeDeploy::DeploymentGroup")
    (reports,) = rights.pop("codedeploy:PutLifecycleEventHookExecutionStatus")
    application = one(template, "CodeDeploy::Application")["ApplicationName"]
    assert reports == f"deploymentgroup:{application}/{group['DeploymentGroupName']}"
    assert {action.split(":")[0] for action in rights} == {"logs", "xray"}


KINDS = ("Lambda::Version", "Lambda::Alias", "CodeDeploy::Application", "CodeDeploy::DeploymentGroup")


def test_versions_exist_only_with_an_image_and_not_for_an_endpoint(synth: Synth) -> None:
    for kind in KINDS:
        assert condition_of(synth(), kind) == {"HasImage"}, kind
        assert resources(synth(compute="gpu"), kind) == {}, kind
    names = {each["FunctionName"] for each in resources(synth(compute="gpu"), "Lambda::Function").values()}
    assert "unbraid-prove" not in names
    assert Deployed(synth(), {}).ids(*(f"AWS::{kind}" for kind in KINDS)) == []
