"""The endpoint or the function that separates songs, the build of its image, and the alarms."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import import_module
from typing import Any

import pytest
import yaml
from infra.settings import USD_PER_DISK_GB_HOUR, USD_PER_GB_HOUR, USD_PER_HOUR
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

from unbraid.aws import handlers
from unbraid.aws.container.__main__ import main as container_main
from unbraid.aws.email import NOT_SENT
from unbraid.aws.endpoint import INVOCATION_TIMEOUT_S
from unbraid.aws.settings import PREFIX
from unbraid.aws.settings import Settings as AwsSettings

Synth = Callable[..., Template]


def test_without_an_image_nothing_separates(synth: Synth) -> None:
    template = synth()
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
    template = synth()
    (endpoint,) = resources(template, "SageMaker::Endpoint")
    (target,) = resources(template, "ApplicationAutoScaling::ScalableTarget")
    assert endpoint in references(template["Resources"][target])
    for policy in resources(template, "ApplicationAutoScaling::ScalingPolicy"):
        assert target in references(template["Resources"][policy])


def test_unconditional_resources_need_no_conditional_ones(synth: Synth) -> None:
    for template in (synth(), synth(compute="cpu")):
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
    template = synth()
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
    (variant,) = one(synth(instance="ml.c7i.2xlarge"), "SageMaker::EndpointConfig")["ProductionVariants"]
    assert "InferenceAmiVersion" not in variant


def test_the_functions_name_the_endpoint_as_it_is_called(synth: Synth) -> None:
    template = synth()
    name = one(template, "SageMaker::Endpoint")["EndpointName"]
    for function in resources(template, "Lambda::Function").values():
        assert function["Environment"]["Variables"]["UNBRAID_ENDPOINT"] == name
    log = one(template, "Logs::LogGroup", "EndpointLog")
    assert log["LogGroupName"] == f"/aws/sagemaker/Endpoints/{name}"


def test_an_endpoint_that_comes_and_goes_keeps_one_log_group(synth: Synth) -> None:
    """A stopping endpoint writes last lines after its deletion, which must not create the group again."""
    template = synth()
    assert condition_of(template, "Logs::LogGroup") == {None}
    allowed = [action for _, each in all_statements(template) for action in listed(each["Action"])]
    assert "logs:CreateLogGroup" not in allowed


def test_the_container_on_the_endpoint_knows_its_region(synth: Synth) -> None:
    """SageMaker's hosting sets no AWS_REGION, as Lambda does. boto3 fails without a region."""
    container = one(synth(), "SageMaker::Model")["PrimaryContainer"]
    assert container["Environment"]["AWS_DEFAULT_REGION"] == {"Ref": "AWS::Region"}


def test_a_new_image_that_fails_songs_is_taken_back(synth: Synth) -> None:
    template = synth()
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


@pytest.mark.parametrize("compute", ["gpu", "cpu"])
def test_alarms_and_graphs_of_functions_name_functions_of_the_stack(synth: Synth, compute: str) -> None:
    template = synth(compute=compute)
    functions = {each["FunctionName"] for each in resources(template, "Lambda::Function").values()}
    graphs = set(re.findall(r'"FunctionName","([^"]+)"', graphed(template)))
    assert len(graphs) > 10
    assert graphs <= functions
    # A metric with a label is written as a list of one.
    metrics = [
        metric["MetricStat"]["Metric"]
        for alarm in resources(template, "CloudWatch::Alarm").values()
        for metric in alarm.get("Metrics", [])
    ]
    watched = [each["Dimensions"][0]["Value"] for each in metrics if each["Namespace"] == "AWS/Lambda"]
    assert watched == (["unbraid-separate"] if compute == "cpu" else [])
    assert set(watched) <= functions


def spending(template: Template) -> dict[str, Any]:
    (function,) = (
        each
        for each in resources(template, "Lambda::Function").values()
        if each["FunctionName"] == "unbraid-spending"
    )
    return function


@pytest.mark.parametrize("compute", ["gpu", "cpu"])
def test_a_function_enforces_the_spending_limit(synth: Synth, compute: str) -> None:
    template = synth(compute=compute, at_most_usd=20)
    function = spending(template)
    variables = function["Environment"]["Variables"]
    assert {name.removeprefix(PREFIX).lower() for name in variables if name.startswith(PREFIX)} <= (
        AwsSettings.model_fields.keys()
    )
    assert variables["UNBRAID_AT_MOST_USD"] == "20"
    # 10 GB of memory and disk at Lambda's prices, or an ml.g4dn.xlarge.
    assert float(variables["UNBRAID_USD_PER_HOUR"]) == pytest.approx(
        0.736 if compute == "gpu" else 0.601, abs=1e-3
    )
    # With the memory of a new account.
    small = spending(synth(compute=compute, at_most_usd=20, memory=3008))["Environment"]["Variables"]
    assert float(small["UNBRAID_USD_PER_HOUR"]) == pytest.approx(
        0.736 if compute == "gpu" else 0.177, abs=1e-3
    )
    rules = resources(template, "Events::Rule")
    (rule,) = (each for name, each in rules.items() if name.startswith("SpendingLimit"))
    assert rule["ScheduleExpression"] == "rate(15 minutes)"
    actions = {
        action: text(statement["Resource"])
        for statement in statements(template, function["Role"]["Fn::GetAtt"][0])
        for action in listed(statement["Action"])
    }
    alarms = {each["AlarmName"] for each in resources(template, "CloudWatch::Alarm").values()}
    if compute == "gpu":
        assert actions["sagemaker:UpdateEndpointWeightsAndCapacities"].endswith(":endpoint/unbraid")
        assert actions["cloudwatch:DisableAlarmActions"].endswith(f":alarm:{variables['UNBRAID_WAKE_ALARM']}")
        assert variables["UNBRAID_WAKE_ALARM"] in alarms
    else:
        assert "lambda:UpdateEventSourceMapping" in actions
    functions = resources(template, "Lambda::Function").values()
    process = next(each for each in functions if each["FunctionName"] == "unbraid-process")
    assert process["Environment"]["Variables"]["UNBRAID_AT_MOST_USD"] == "20"


@pytest.mark.parametrize(("compute", "every"), [("gpu", "rate(1 day)"), ("cpu", "rate(1 hour)")])
def test_the_canary_runs_on_a_schedule_and_its_failure_is_an_alarm(
    synth: Synth, compute: str, every: str
) -> None:
    template = synth(compute=compute, canary=True)
    functions = resources(template, "Lambda::Function")
    (key,) = (name for name, each in functions.items() if each["FunctionName"] == "unbraid-canary")
    assert text(functions[key]["Environment"]["Variables"]["UNBRAID_API_URL"]) == text(
        template["Outputs"]["Api"]["Value"]
    )
    rules = resources(template, "Events::Rule")
    (rule,) = (each for each in rules.values() if each["Targets"][0]["Arn"]["Fn::GetAtt"][0] == key)
    assert rule["ScheduleExpression"] == every
    invoked = resources(template, "Lambda::EventInvokeConfig").values()
    (config,) = (each for each in invoked if each["FunctionName"] == {"Ref": key})
    assert config["MaximumRetryAttempts"] == 0
    alarms = {each["AlarmName"]: each for each in resources(template, "CloudWatch::Alarm").values()}
    metric = alarms["unbraid-canary"]["Metrics"][0]["MetricStat"]["Metric"]
    assert (metric["MetricName"], metric["Dimensions"][0]["Value"]) == ("Errors", "unbraid-canary")
    # It has no rights: it may do what anyone may.
    role = functions[key]["Role"]["Fn::GetAtt"][0]
    actions = {action for each in statements(template, role) for action in listed(each["Action"])}
    assert {action.split(":")[0] for action in actions} == {"logs", "xray"}


def test_without_canary_nothing_is_separated_on_a_schedule(synth: Synth) -> None:
    names = {each["FunctionName"] for each in resources(synth(), "Lambda::Function").values()}
    assert "unbraid-canary" not in names


def test_without_a_spending_limit_nothing_runs_for_it(synth: Synth) -> None:
    names = {each["FunctionName"] for each in resources(synth(), "Lambda::Function").values()}
    assert "unbraid-spending" not in names


def test_the_limit_counts_with_the_prices_of_the_cost_model() -> None:
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    prices = import_module("cost_prices").PRICES
    sys.path.remove(folder)
    assert {name: prices[name].usd for name in USD_PER_HOUR} == USD_PER_HOUR
    assert pytest.approx(prices["Lambda x86"].usd * 3600) == USD_PER_GB_HOUR
    assert pytest.approx(prices["Lambda disk"].usd * 3600) == USD_PER_DISK_GB_HOUR


def test_the_alarm_on_invocations_names_endpoint_and_variant(synth: Synth) -> None:
    """SageMaker publishes metrics of invocations per variant, those of the queue per endpoint."""
    template = synth()
    alarms = {each["AlarmName"]: each for each in resources(template, "CloudWatch::Alarm").values()}
    (variant,) = one(template, "SageMaker::EndpointConfig")["ProductionVariants"]
    endpoint = {"Name": "EndpointName", "Value": "unbraid"}
    dimensions = [endpoint, {"Name": "VariantName", "Value": variant["VariantName"]}]
    assert alarms["unbraid-endpoint-faults"]["Dimensions"] == dimensions
    assert alarms["unbraid-backlog-age"]["Dimensions"] == [endpoint]


def test_instances_follow_the_queue_and_the_first_song_wakes_one(synth: Synth) -> None:
    template = synth(at_most=5)
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


def test_with_compute_cpu_the_image_is_a_function_behind_a_queue(
    synth: Synth, capsys: pytest.CaptureFixture[str]
) -> None:
    template = synth(compute="cpu", at_most=3)
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
    assert text(statement["Condition"]["ArnLike"]["aws:SourceArn"]).endswith(
        f"function:{function['FunctionName']}"
    )


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


@pytest.mark.parametrize("settings", [{}, {"compute": "cpu"}, {"alarms": "me@example.org"}])
def test_alarms_and_budget_publish_to_a_topic_with_and_without_an_address(
    synth: Synth, settings: dict[str, str]
) -> None:
    template = synth(**settings)
    (topic,) = (name for name in resources(template, "SNS::Topic") if name.startswith("WatchAlarms"))
    budget = one(template, "Budgets::Budget")
    # Names of budgets are unique in the account, so a stack in a second region needs another.
    assert text(budget["Budget"]["BudgetName"]) == "unbraid-<AWS::Region>"
    notifications = budget["NotificationsWithSubscribers"]
    assert notifications
    for each in notifications:
        assert each["Subscribers"] == [{"SubscriptionType": "SNS", "Address": {"Ref": topic}}]
    addresses = [
        each["Endpoint"]
        for each in resources(template, "SNS::Subscription").values()
        if each["Protocol"] == "email"
    ]
    assert addresses == [value for name, value in settings.items() if name == "alarms"]


def graphed(template: Template) -> str:
    """Return the dashboard's body with its references written out."""
    return text(one(template, "CloudWatch::Dashboard")["DashboardBody"])


def test_the_dashboard_shows_the_graphics_card_of_instances_that_have_one(synth: Synth) -> None:
    body = graphed(synth())
    for metric in ("GPUUtilization", "GPUMemoryUtilization", "CPUUtilization", "MemoryUtilization"):
        assert (
            f'["/aws/sagemaker/Endpoints","{metric}","EndpointName","unbraid","VariantName","all"' in body
        ), metric
    assert "GPUUtilization" not in graphed(synth(instance="ml.c7i.2xlarge"))
    assert "GPUUtilization" not in graphed(synth(compute="cpu"))


def test_alarms_and_budget_send_email(synth: Synth) -> None:
    template = synth(alarms="me@example.org", budget=50)
    topic = {
        "Ref": next(name for name in resources(template, "SNS::Topic") if name.startswith("WatchAlarms"))
    }
    mails = [
        each for each in resources(template, "SNS::Subscription").values() if each["Protocol"] == "email"
    ]
    assert [(each["TopicArn"], each["Endpoint"]) for each in mails] == [(topic, "me@example.org")]
    alarms = {each["AlarmName"]: each for each in resources(template, "CloudWatch::Alarm").values()}
    wake = alarms.pop("unbraid-wake")
    assert topic not in wake["AlarmActions"]  # it fires for every first song
    assert all(each["AlarmActions"] == [topic] for each in alarms.values())
    assert alarms.keys() == {
        f"unbraid-{name}"
        for name in (
            "api-faults",
            "socket-faults",
            "dead-letters",
            "backlog-age",
            "no-instance",
            "endpoint-faults",
            "awake",
        )
    }
    assert all(each["TreatMissingData"] == "notBreaching" for each in alarms.values())
    budget = one(template, "Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    assert all(
        each["Subscribers"] == [{"SubscriptionType": "SNS", "Address": topic}]
        for each in budget["NotificationsWithSubscribers"]
    )
    policy = [
        statement
        for each in resources(template, "SNS::TopicPolicy").values()
        if topic in each["Topics"]
        for statement in each["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    allowed = {each["Principal"]["Service"]: each["Condition"] for each in policy}
    assert allowed.keys() == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    for conditions in allowed.values():
        assert conditions["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    source = text(allowed["cloudwatch.amazonaws.com"]["ArnLike"]["aws:SourceArn"])
    assert all(fnmatch(name, source.rpartition(":")[2]) for name in alarms)


def test_the_socket_alarm_uses_the_metric_of_the_function(synth: Synth) -> None:
    template = synth()
    alarms = {each["AlarmName"]: each for each in resources(template, "CloudWatch::Alarm").values()}
    alarm = alarms["unbraid-socket-faults"]
    (function,) = (
        each
        for each in resources(template, "Lambda::Function").values()
        if each["FunctionName"] == "unbraid-connect"
    )
    variables = function["Environment"]["Variables"]
    assert alarm["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"] == handlers.metrics.namespace
    assert alarm["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]
    assert alarm["MetricName"] == "Faults"


@pytest.mark.parametrize("compute", ["gpu", "cpu"])
def test_an_alarm_counts_refused_emails_in_the_log_of_every_sender(synth: Synth, compute: str) -> None:
    assert resources(synth(compute=compute), "Logs::MetricFilter") == {}
    template = synth(compute=compute, sign_in=True, sender="songs@example.org")
    filters = list(resources(template, "Logs::MetricFilter").values())
    assert {each["FilterPattern"] for each in filters} == {f'{{ $.event = "{NOT_SENT}" }}'}
    groups = resources(template, "Logs::LogGroup")
    watched = {groups[each["LogGroupName"]["Ref"]]["LogGroupName"] for each in filters}
    sends = {"/aws/lambda/unbraid-upkeep"}
    if compute == "gpu":
        sends |= {"/aws/lambda/unbraid-on_invocation_end", "/aws/sagemaker/Endpoints/unbraid"}
    else:
        sends |= {"/aws/lambda/unbraid-separate"}
    assert watched == sends
    (metric,) = {
        (each["MetricNamespace"], each["MetricName"])
        for filter_ in filters
        for each in filter_["MetricTransformations"]
    }
    (alarm,) = (
        each
        for each in resources(template, "CloudWatch::Alarm").values()
        if each["AlarmName"] == "unbraid-email-refused"
    )
    assert (alarm["Namespace"], alarm["MetricName"]) == metric and "Dimensions" not in alarm
