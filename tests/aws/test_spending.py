"""The spending limit, against moto's CloudWatch, SageMaker, Lambda and DynamoDB."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import urllib3
from tests.aws.functions import events

from unbraid.aws import handlers
from unbraid.aws.functions import spending as function
from unbraid.aws.rollout import ALIAS
from unbraid.aws.settings import Settings
from unbraid.aws.spending import EndpointMachines, FunctionMachines, Month, SpendingLimit, Stopped
from unbraid.errors import Busy

HOUR = 3600.0
NOW = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0).timestamp() + 1
"""Close to the present, because moto forgets older values, and just after the hour."""


class Recorded:
    """Machines that have run for some hours, and record each stop and start."""

    def __init__(self, hours: float) -> None:
        self.ran, self.done = hours, list[str]()

    def hours(self, month: Month, now: float) -> float:
        return self.ran

    def stop(self) -> None:
        self.done.append("stop")

    def start(self) -> None:
        self.done.append("start")


@pytest.fixture
def reset(aws: str) -> Iterator[None]:
    """An account without metrics, before and after."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    yield
    urllib3.request("POST", f"{aws}/moto-api/reset")


def limit(machines: Any, table: str) -> SpendingLimit:
    return SpendingLimit(usd=10.0, usd_per_hour=0.5, machines=machines, stopped=Stopped(table))


def time(*date: int) -> float:
    return datetime.datetime(*date, tzinfo=datetime.UTC).timestamp()  # type: ignore[misc,arg-type]


def test_songs_run_until_the_machines_have_cost_the_limit(table: str) -> None:
    machines = Recorded(19.9)
    assert limit(machines, table).apply(NOW) == (pytest.approx(9.95), None)
    assert machines.done == [] and Stopped(table).until() is None
    Stopped(table).check(NOW)  # songs are accepted


def test_stops_machines_and_songs_for_the_rest_of_the_month(table: str) -> None:
    machines = Recorded(20.0)
    now = time(2026, 12, 15, 12)
    assert limit(machines, table).apply(now) == (10.0, True)
    assert machines.done == ["stop"]
    with pytest.raises(
        Busy, match=r"spending limit for this month\. It separates songs again from January 1\."
    ):
        Stopped(table).check(now)
    Stopped(table).check(time(2027, 1, 1))  # whether or not the schedule has run in January


def test_stops_machines_again_that_a_deployment_started(table: str) -> None:
    machines = Recorded(20.0)
    assert limit(machines, table).apply(NOW)[1] is True
    assert limit(machines, table).apply(NOW + 900)[1] is None  # publishes nothing a second time
    assert machines.done == ["stop", "stop"]


def test_starts_again_in_the_next_month_or_with_a_higher_limit(table: str) -> None:
    machines = Recorded(20.0)
    limit(machines, table).apply(NOW)
    machines.ran = 0.0
    assert limit(machines, table).apply(NOW + 40 * 24 * HOUR) == (0.0, False)
    assert machines.done == ["stop", "start"]
    assert Stopped(table).until() is None
    assert limit(machines, table).apply(NOW + 41 * 24 * HOUR) == (0.0, None)


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ((2026, 12, 31, 23, 59), (2026, 12, 1), (2027, 1, 1)),
        ((2027, 1, 1), (2027, 1, 1), (2027, 2, 1)),
        ((2028, 2, 29), (2028, 2, 1), (2028, 3, 1)),
    ],
)
def test_months_begin_and_end_in_utc(
    now: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    month = Month.of(time(*now))
    assert (month.start.timestamp(), month.end.timestamp()) == (time(*start), time(*end))


def put(namespace: str, metric: str, values: list[float], at: float, **dimensions: str) -> None:
    boto3.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                "Timestamp": datetime.datetime.fromtimestamp(at, datetime.UTC),
                "Value": value,
            }
            for value in values
        ],
    )


def test_counts_the_minutes_of_all_instances_this_month(reset: None) -> None:
    month = Month(*(datetime.datetime.fromtimestamp(NOW + day * 86400, datetime.UTC) for day in (-1, 1)))
    put(
        "/aws/sagemaker/Endpoints",
        "CPUUtilization",
        [50.0] * 90,
        NOW - HOUR,
        EndpointName="unbraid",
        VariantName="all",
    )
    put(
        "/aws/sagemaker/Endpoints",
        "CPUUtilization",
        [50.0] * 60,
        NOW - HOUR,
        EndpointName="other",
        VariantName="all",
    )
    machines = EndpointMachines("unbraid", "all", "unbraid-wake")
    assert machines.hours(month, NOW) == pytest.approx(1.5)
    put(
        "/aws/sagemaker/Endpoints",
        "CPUUtilization",
        [0.0] * 30,
        NOW - 2 * 86400,
        EndpointName="unbraid",
        VariantName="all",
    )
    assert machines.hours(month, NOW) == pytest.approx(1.5)  # that was last month


def test_counts_the_time_of_all_calls(reset: None) -> None:
    month = Month(*(datetime.datetime.fromtimestamp(NOW + day * 86400, datetime.UTC) for day in (-1, 1)))
    put("AWS/Lambda", "Duration", [1_800_000.0, 900_000.0], NOW - HOUR, FunctionName="unbraid-separate")
    assert FunctionMachines("unbraid-separate").hours(month, NOW) == pytest.approx(0.75)


def deploy_endpoint() -> tuple[Any, Any]:
    """An endpoint with two instances and the alarm that starts the first one."""
    sagemaker, cloudwatch = boto3.client("sagemaker"), boto3.client("cloudwatch")
    role = "arn:aws:iam::123456789012:role/unbraid"
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
    variant = {
        "VariantName": "all",
        "ModelName": "m",
        "InitialInstanceCount": 2,
        "InstanceType": "ml.g4dn.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="unbraid", EndpointConfigName="c")
    cloudwatch.put_metric_alarm(
        AlarmName="unbraid-wake",
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        ActionsEnabled=True,
    )
    return sagemaker, cloudwatch


def test_stops_the_instances_and_the_alarm_that_would_start_one(reset: None) -> None:
    sagemaker, cloudwatch = deploy_endpoint()

    def state() -> tuple[int, bool]:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=["unbraid-wake"])["MetricAlarms"]
        (variant,) = sagemaker.describe_endpoint(EndpointName="unbraid")["ProductionVariants"]
        return variant["DesiredInstanceCount"], alarm["ActionsEnabled"]

    machines = EndpointMachines("unbraid", "all", "unbraid-wake")
    assert state()[1] is True
    machines.stop()
    assert state() == (0, False)
    machines.start()
    assert state() == (0, True)  # the alarm starts one if a song waits


def deploy_function() -> Any:
    """A function that takes songs from a queue. Returns the client of Lambda."""
    lambda_, sqs = boto3.client("lambda"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="songs", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a.py", "")
    lambda_.create_function(
        FunctionName="unbraid-separate",
        Runtime="python3.13",
        Role=role["Arn"],
        Handler="a.handler",
        Code={"ZipFile": content.getvalue()},
        Publish=True,
    )
    alias = lambda_.create_alias(FunctionName="unbraid-separate", Name=ALIAS, FunctionVersion="1")
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=alias["AliasArn"], BatchSize=1)
    return lambda_


def test_takes_no_more_songs_from_the_queue(reset: None) -> None:
    lambda_ = deploy_function()

    def state() -> str:
        (mapping,) = lambda_.list_event_source_mappings()["EventSourceMappings"]
        return str(mapping["State"])

    machines = FunctionMachines("unbraid-separate")
    assert state() == "Enabled"
    machines.stop()
    assert state() == "Disabled"
    machines.start()
    assert state() == "Enabled"


def test_stops_without_an_endpoint_too(reset: None) -> None:
    EndpointMachines("unbraid", "all", "unbraid-wake").stop()


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_the_function_publishes_once_and_does_what_the_limit_says(
    reset: None, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_endpoint()
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="unbraid-alarms")["TopicArn"]
    inbox = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    settings = Settings(
        table=table, endpoint="unbraid", at_most_usd=1.0, usd_per_hour=60.0, alarms_topic=topic
    )
    monkeypatch.setattr(handlers, "settings", lambda: settings)
    monkeypatch.setattr(function.time, "time", lambda: NOW)
    month = Month.of(NOW)
    at = max(month.start.timestamp() + 1, NOW - HOUR)
    put("/aws/sagemaker/Endpoints", "CPUUtilization", [1.0], at, EndpointName="unbraid", VariantName="all")
    for _ in range(2):
        function.handler({}, events.Context())
    messages = sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10)["Messages"]
    assert len(messages) == 1
    assert "No more songs are separated this month" in messages[0]["Body"]
    assert "1.00 of 1 USD" in messages[0]["Body"]
