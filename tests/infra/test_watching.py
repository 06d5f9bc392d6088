"""Alarms, dashboard, budget, spending limit and canary."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import import_module
from typing import Any

import pytest
from infra.settings import USD_PER_DISK_GB_HOUR, USD_PER_GB_HOUR
from infra.sources import ROOT
from tests.infra.template_queries import (
    Template,
    listed,
    one,
    resources,
    statements,
    text,
)

from unbraid.aws import handlers
from unbraid.aws.email import NOT_SENT
from unbraid.aws.prices import USD_PER_BUILD_MINUTE, USD_PER_HOUR
from unbraid.aws.settings import PREFIX
from unbraid.aws.settings import Settings as AwsSettings

Synth = Callable[..., Template]


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
        if "MetricStat" in metric
    ]
    watched = [
        {each["Name"]: text(each["Value"]) for each in metric["Dimensions"]}
        for metric in metrics
        if metric["Namespace"] == "AWS/Lambda"
    ]
    assert {each["FunctionName"] for each in watched} == ({"unbraid-separate"} if compute == "cpu" else set())
    assert {each["FunctionName"] for each in watched} <= functions
    # The function that separates is called through its alias.
    for each in watched:
        assert each["Resource"] == "unbraid-separate:live"
    separating = re.findall(r'"FunctionName","unbraid-separate"(.{0,36})', graphed(template))
    assert len(separating) == (2 if compute == "cpu" else 0)
    assert all(each.startswith(',"Resource","unbraid-separate:live"') for each in separating)


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
    assert prices["CodeBuild"].usd == USD_PER_BUILD_MINUTE
    assert pytest.approx(prices["Lambda x86"].usd * 3600) == USD_PER_GB_HOUR
    assert pytest.approx(prices["Lambda disk"].usd * 3600) == USD_PER_DISK_GB_HOUR


def test_the_alarm_on_invocations_names_endpoint_and_variant(synth: Synth) -> None:
    """SageMaker publishes metrics of invocations per variant, those of the queue per endpoint."""
    template = synth(compute="gpu")
    alarms = {each["AlarmName"]: each for each in resources(template, "CloudWatch::Alarm").values()}
    (variant,) = one(template, "SageMaker::EndpointConfig")["ProductionVariants"]
    endpoint = {"Name": "EndpointName", "Value": "unbraid"}
    dimensions = [endpoint, {"Name": "VariantName", "Value": variant["VariantName"]}]
    assert alarms["unbraid-endpoint-faults"]["Dimensions"] == dimensions
    assert alarms["unbraid-backlog-age"]["Dimensions"] == [endpoint]


@pytest.mark.parametrize("settings", [{}, {"compute": "gpu"}, {"alarms": "me@example.org"}])
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
    body = graphed(synth(compute="gpu"))
    for metric in ("GPUUtilization", "GPUMemoryUtilization", "CPUUtilization", "MemoryUtilization"):
        assert (
            f'["/aws/sagemaker/Endpoints","{metric}","EndpointName","unbraid","VariantName","all"' in body
        ), metric
    assert "GPUUtilization" not in graphed(synth(compute="gpu", instance="ml.c7i.2xlarge"))
    assert "GPUUtilization" not in graphed(synth())


def test_alarms_and_budget_send_email(synth: Synth) -> None:
    template = synth(compute="gpu", alarms="me@example.org", budget=50)
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
