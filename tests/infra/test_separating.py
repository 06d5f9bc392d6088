"""The endpoint or the function that separates songs, and the build of its image."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import yaml
from infra.sources import ROOT
from tests.infra.template_queries import (
    Template,
    all_statements,
    condition_of,
    listed,
    one,
    resources,
    statements,
    text,
)

from unbraid.aws.container.__main__ import main as container_main
from unbraid.aws.container.function import KEEP_WARM
from unbraid.aws.endpoint import INVOCATION_TIMEOUT_S

Synth = Callable[..., Template]


def test_without_an_image_nothing_separates(synth: Synth) -> None:
    template = synth(compute="gpu")
    assert template["Parameters"].keys() == {"ImageTag"}
    assert template["Parameters"]["ImageTag"]["Default"] == ""
    assert template["Conditions"] == {"HasImage": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ImageTag"}, ""]}]}}
    for kind in (
        "SageMaker::Model",
        "SageMaker::EndpointConfig",
        "SageMaker::Endpoint",
        "ApplicationAutoScaling::ScalableTarget",
        "ApplicationAutoScaling::ScalingPolicy",
    ):
        assert condition_of(template, kind) == {"HasImage"}, kind


def test_without_the_image_the_endpoint_goes_with_its_scaling(synth: Synth) -> None:
    """CloudFormation deletes a resource after those that refer to it: the target is deregistered first."""
    template = synth(compute="gpu")
    (endpoint,) = resources(template, "SageMaker::Endpoint")
    (target,) = resources(template, "ApplicationAutoScaling::ScalableTarget")
    assert endpoint in references(template["Resources"][target])
    for policy in resources(template, "ApplicationAutoScaling::ScalingPolicy"):
        assert target in references(template["Resources"][policy])


def test_unconditional_resources_need_no_conditional_ones(synth: Synth) -> None:
    for template in (synth(compute="gpu"), synth()):
        late = {name for name, each in template["Resources"].items() if "Condition" in each}
        for name, each in template["Resources"].items():
            if name not in late:
                assert not late & set(references(each)), name
        assert not late & set(references(template["Outputs"]))


def references(value: Any) -> list[str]:
    """Return the logical ids that a value refers to."""
    if isinstance(value, dict):
        found = [value["Ref"]] if "Ref" in value else []
        if "Fn::GetAtt" in value:
            found.append(value["Fn::GetAtt"][0])
        found += value.get("DependsOn", []) if isinstance(value.get("DependsOn"), list) else []
        return found + [name for inside in value.values() for name in references(inside)]
    return [name for inside in value for name in references(inside)] if isinstance(value, list) else []


def test_the_endpoint_is_asynchronous_and_notifies(synth: Synth) -> None:
    template = synth(compute="gpu")
    config = one(template, "SageMaker::EndpointConfig")
    (variant,) = config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.g4dn.xlarge", 1)
    # CUDA 12 needs a newer driver than the default one.
    assert variant["InferenceAmiVersion"] == "al2-ami-sagemaker-inference-gpu-3-1"
    answers = config["AsyncInferenceConfig"]
    assert answers["ClientConfig"]["MaxConcurrentInvocationsPerInstance"] == 4
    output = answers["OutputConfig"]
    assert output["S3OutputPath"].keys() == output["S3FailurePath"].keys() == {"Fn::Join"}
    assert text(output["S3FailurePath"]).endswith("/answers/failed")
    topics = {output["NotificationConfig"][name]["Ref"] for name in ("SuccessTopic", "ErrorTopic")}
    heard = {
        each["TopicArn"]["Ref"]: each
        for each in resources(template, "SNS::Subscription").values()
        if each["Protocol"] == "lambda"
    }
    assert heard.keys() == topics and len(topics) == 2
    for subscription in heard.values():
        assert text(subscription["Endpoint"]).startswith("<FunctionsOnInvocationEnd")
        assert text(subscription["RedrivePolicy"]["deadLetterTargetArn"]).startswith("<DeadLetters")


def test_an_instance_without_a_card_has_no_driver(synth: Synth) -> None:
    (variant,) = one(synth(compute="gpu", instance="ml.c7i.2xlarge"), "SageMaker::EndpointConfig")[
        "ProductionVariants"
    ]
    assert "InferenceAmiVersion" not in variant


def test_the_functions_name_the_endpoint_as_it_is_called(synth: Synth) -> None:
    template = synth(compute="gpu")
    name = one(template, "SageMaker::Endpoint")["EndpointName"]
    for function in resources(template, "Lambda::Function").values():
        assert function["Environment"]["Variables"]["UNBRAID_ENDPOINT"] == name
    log = one(template, "Logs::LogGroup", "EndpointLog")
    assert log["LogGroupName"] == f"/aws/sagemaker/Endpoints/{name}"


def test_an_endpoint_that_comes_and_goes_keeps_one_log_group(synth: Synth) -> None:
    """A stopping endpoint writes last lines after its deletion, which must not create the group again."""
    template = synth(compute="gpu")
    assert condition_of(template, "Logs::LogGroup") == {None}
    allowed = [action for _, each in all_statements(template) for action in listed(each["Action"])]
    assert "logs:CreateLogGroup" not in allowed


def test_the_container_on_the_endpoint_knows_its_region(synth: Synth) -> None:
    """SageMaker's hosting sets no AWS_REGION, as Lambda does. boto3 fails without a region."""
    container = one(synth(compute="gpu"), "SageMaker::Model")["PrimaryContainer"]
    assert container["Environment"]["AWS_DEFAULT_REGION"] == {"Ref": "AWS::Region"}


def test_a_new_image_that_fails_songs_is_taken_back(synth: Synth) -> None:
    template = synth(compute="gpu")
    (name,) = resources(template, "SageMaker::Endpoint")
    deployment = one(template, "SageMaker::Endpoint")["DeploymentConfig"]
    policy = deployment["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    (watched,) = deployment["AutoRollbackConfiguration"]["Alarms"]
    alarms = resources(template, "CloudWatch::Alarm")
    (key,) = (each for each in alarms if alarms[each]["AlarmName"] == watched["AlarmName"])
    # The old instances stay until the alarm can have gone off, and the alarm exists before the update names it.
    assert policy["TerminationWaitInSeconds"] >= 2 * alarms[key]["Period"]
    assert key in template["Resources"][name]["DependsOn"]
    role = one(template, "SageMaker::Model")["ExecutionRoleArn"]["Fn::GetAtt"][0]
    (looks,) = (each for each in statements(template, role) if each["Action"] == "cloudwatch:DescribeAlarms")
    assert text(looks["Resource"]).endswith(f":alarm:{watched['AlarmName']}")


def test_instances_follow_the_queue_and_the_first_song_wakes_one(synth: Synth) -> None:
    template = synth(compute="gpu", at_most=5)
    target = one(template, "ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 5)
    assert text(target["ResourceId"]).startswith("endpoint/<Endpoint")
    assert text(target["ResourceId"]).endswith(".EndpointName>/variant/all")
    policies = resources(template, "ApplicationAutoScaling::ScalingPolicy")
    tracking, step = sorted(policies, key=lambda name: str(policies[name]["PolicyType"]), reverse=True)
    metric = policies[tracking]["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    assert metric["MetricName"] == "ApproximateBacklogSizePerInstance"
    assert metric["Dimensions"] == [{"Name": "EndpointName", "Value": "unbraid"}]
    steps = policies[step]["StepScalingPolicyConfiguration"]
    assert steps["AdjustmentType"] == "ChangeInCapacity"
    assert steps["Cooldown"] >= 600  # the first takes that long to come up, and shouldn't be given company
    assert steps["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    (wakes,) = (
        alarm
        for alarm in resources(template, "CloudWatch::Alarm").values()
        if {"Ref": step} in alarm["AlarmActions"]
    )
    assert wakes["MetricName"] == "HasBacklogWithoutCapacity"
    assert (wakes["Threshold"], wakes["EvaluationPeriods"], wakes["Period"]) == (1, 1, 60)


def test_by_default_the_image_is_a_function_behind_a_queue(
    synth: Synth, capsys: pytest.CaptureFixture[str]
) -> None:
    template = synth(at_most=3)
    (function,) = (
        each
        for each in resources(template, "Lambda::Function").values()
        if each.get("PackageType") == "Image"
    )
    assert (function["MemorySize"], function["EphemeralStorage"], function["Timeout"]) == (
        10240,
        {"Size": 10240},
        900,
    )
    assert text(function["Code"]["ImageUri"]).endswith(":<ImageTag>")
    (word,) = function["ImageConfig"]["Command"]
    with pytest.raises(SystemExit, match="0"):
        container_main(["--help"])
    assert word in capsys.readouterr().out
    mappings = resources(template, "Lambda::EventSourceMapping")
    (songs,) = (each for name, each in mappings.items() if name.startswith("Cpu"))
    assert songs["BatchSize"] == 1
    assert songs["ScalingConfig"] == {"MaximumConcurrency": 3}
    assert songs["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = one(template, "SQS::Queue", "Cpu")
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert text(queue["RedrivePolicy"]["deadLetterTargetArn"]).startswith("<DeadLetters")
    assert condition_of(template, "Lambda::EventSourceMapping") == {"HasImage", None}
    assert not any(kind.startswith("AWS::SageMaker") for kind in kinds(template))
    statement = one(template, "ECR::Repository")["RepositoryPolicyText"]["Statement"][0]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    callers = [
        text(each).rpartition(":function:")[2] for each in statement["Condition"]["ArnLike"]["aws:SourceArn"]
    ]
    assert callers == [function["FunctionName"], f"{function['FunctionName']}:*"]


def kinds(template: Template) -> set[str]:
    """Return the types of all resources."""
    return {each["Type"] for each in template["Resources"].values()}


def test_the_invocation_timeout_is_the_maximum_of_sagemaker() -> None:
    assert INVOCATION_TIMEOUT_S == 3600  # the maximum; the endpoint has no setting for it


@pytest.mark.parametrize("compute", ["gpu", "cpu"])
def test_the_build_has_every_variable_of_the_buildspec(synth: Synth, compute: str) -> None:
    template = synth(compute=compute)
    project = one(template, "CodeBuild::Project")
    variables = {each["Name"]: each["Value"] for each in project["Environment"]["EnvironmentVariables"]}
    assert variables["DEVICE"] == compute
    assert variables["IMAGE_TAG"] == template["Outputs"]["WantedImage"]["Value"] == f"content-{compute}"
    recipe = (ROOT / "buildspec.yml").read_text("utf-8")
    for name in variables:
        assert f"${{{name}" in recipe or f"${name}" in recipe, name
    needed = yaml.safe_load(recipe)["phases"]["install"]["commands"][0]
    assert all(f"${{{name}:?}}" in needed for name in ("REPOSITORY", "IMAGE_TAG", "STACK"))
    assert project["Environment"]["PrivilegedMode"] is True
    assert project["Source"]["Type"] == "S3"


def scheduled(template: Template) -> dict[str, Any]:
    """Return the schedule that keeps the function warm."""
    rules = resources(template, "Events::Rule")
    (rule,) = (each for each in rules.values() if each["Name"] == "unbraid-keep-warm")
    return rule


def test_keep_warm_calls_the_function_once_every_few_minutes(synth: Synth) -> None:
    template = synth(keep_warm=True)
    assert not [each for each in resources(synth(), "Events::Rule").values() if "warm" in each["Name"]]
    functions = resources(template, "Lambda::Function")
    (function,) = (name for name, each in functions.items() if each.get("PackageType") == "Image")
    rule = scheduled(template)
    assert rule["ScheduleExpression"] == f"rate({cost('cold').PING_MIN} minutes)"
    (target,) = rule["Targets"]
    (alias,) = resources(template, "Lambda::Alias")
    assert target["Arn"] == {"Ref": alias}
    assert json.loads(target["Input"]) == KEEP_WARM
    # A failed call isn't repeated: by EventBridge, or by Lambda.
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0
    (once,) = (
        each
        for each in resources(template, "Lambda::EventInvokeConfig").values()
        if each["FunctionName"] == {"Ref": function}
    )
    assert (once["MaximumRetryAttempts"], once["Qualifier"]) == (0, "live")
    (permission,) = (
        each
        for name, each in resources(template, "Lambda::Permission").items()
        if name.startswith("CpuKeepWarm")
    )
    assert (permission["FunctionName"], permission["Principal"]) == (
        {"Ref": alias},
        "events.amazonaws.com",
    )
    # It exists with the image, as the function does.
    for name, each in template["Resources"].items():
        if name.startswith("CpuKeepWarm"):
            assert each["Condition"] == "HasImage", name


def cost(part: str) -> Any:
    """Return a module of the cost model."""
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    module = import_module(f"cost_{part}")
    sys.path.remove(folder)
    return module


def test_the_endpoint_is_not_kept_warm(synth: Synth) -> None:
    rules = resources(synth(compute="gpu", keep_warm=True), "Events::Rule").values()
    assert not [each for each in rules if "warm" in each["Name"]]
