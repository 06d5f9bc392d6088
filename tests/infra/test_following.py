"""Follow the runbook and the last step of the first run, with moto's server as AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import urllib3
from infra.account import Account
from tests.aws.test_spending import deploy_endpoint
from tests.infra.aws_cli import aws as run
from tests.infra.aws_cli import supported
from tests.infra.manual_commands import commands
from tests.infra.template_queries import Template, resources
from tests.infra.test_first_run import STEPS
from tests.infra.test_redrive import SONG
from tests.infra.test_runbook import EVERYTHING, SECTIONS
from tests.simulators.moto_server import SESSIONS_TABLE, aws, moto_url

from infra import destroy, redrive

__all__ = ["aws", "moto_url"]

# The command line takes the older form of JMESPath's literals, as the queries have it.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated string literal syntax")

Synth = Callable[..., Template]


def section(name: str, *parts: str) -> Iterator[str]:
    """Yield the commands of a section that contain all parts, without those inside others."""
    every = list(commands(SECTIONS[name]))
    for command in every:
        if all(part in command for part in parts) and not any(f"$({command})" in each for each in every):
            yield command


@pytest.fixture
def deployed(aws: str, synth: Synth) -> Iterator[Account]:
    """Return an account with what the commands look for: stack, queues, table, logs and endpoint."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    templates = [synth(**settings) for settings in EVERYTHING]
    table = next(
        name for name in resources(templates[0], "DynamoDB::Table") if name.startswith("StorageSessions")
    )
    groups = {
        each["LogGroupName"]
        for template in templates
        for each in resources(template, "Logs::LogGroup").values()
    }
    stack = {
        "Resources": {
            table: {"Type": "AWS::DynamoDB::Table", "Properties": SESSIONS_TABLE},
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Songs": {"Type": "AWS::SQS::Queue"},
            "Images": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "unbraid"}},
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "unbraid-1-eu-central-1"}},
        }
        | {
            f"Log{number}": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name}}
            for number, name in enumerate(sorted(groups))
        },
        "Outputs": {
            "DeadLetters": {"Value": {"Ref": "Dead"}},
            "SongsQueue": {"Value": {"Ref": "Songs"}},
            "SongsBucket": {"Value": {"Ref": "Bucket"}},
        },
    }
    tags = [{"Key": "application", "Value": "unbraid"}]
    boto3.client("cloudformation").create_stack(
        StackName="unbraid", TemplateBody=json.dumps(stack), Tags=tags
    )
    deploy_endpoint()
    yield Account.opened()
    urllib3.request("POST", f"{aws}/moto-api/reset")


def test_every_command_of_the_runbook_finds_what_it_names(deployed: Account) -> None:
    for name in SECTIONS:
        for command in section(name, "aws "):
            if supported(command):
                run(command)


def test_dead_letters_are_seen_and_repeated(deployed: Account) -> None:
    queue, songs = (deployed.outputs()[name] for name in ("DeadLetters", "SongsQueue"))
    deployed.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(SONG))
    (look,) = section("unbraid-dead-letters", "receive-message")
    (message,) = run(look)["Messages"]
    assert json.loads(message["Body"]) == SONG
    deployed.client("sqs").change_message_visibility(
        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    assert "./unbraid deploy --redrive" in SECTIONS["unbraid-dead-letters"]
    redrive.redrive(deployed)
    assert "Messages" not in run(look)
    (back,) = deployed.client("sqs").receive_message(QueueUrl=songs)["Messages"]
    assert json.loads(back["Body"]) == SONG


def test_waiting_songs_and_machines_are_counted(deployed: Account) -> None:
    pages = boto3.client("cloudformation").list_stack_resources(StackName="unbraid")
    (table,) = (
        each["PhysicalResourceId"]
        for each in pages["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::DynamoDB::Table"
    )
    for number, state in enumerate(("PENDING", "PENDING", "COMPLETED")):
        item: dict[str, Any] = {"id": {"S": str(number)}, "state": {"S": state}, "at": {"N": "1"}}
        boto3.client("dynamodb").put_item(TableName=table, Item=item)
    (machines,), (songs,) = (section("unbraid-backlog-age", word) for word in ("sagemaker", "dynamodb"))
    assert run(machines) == [2, 2]
    assert run(songs)["Count"] == 2


def test_instances_are_stopped_before_an_update_and_allowed_again(deployed: Account) -> None:
    (machines,) = section("unbraid-backlog-age", "sagemaker")
    forbid, stop, allow = section("unbraid-endpoint-faults", "apacit")
    target = {"ServiceNamespace": "sagemaker", "ResourceIds": ["endpoint/unbraid/variant/all"]}
    scaling = boto3.client("application-autoscaling")
    for command, most, wanted in ((forbid, 0, 2), (stop, 0, 0), (allow, 2, 0)):
        run(command)
        (scalable,) = scaling.describe_scalable_targets(**target)["ScalableTargets"]
        assert (scalable["MaxCapacity"], run(machines)[1]) == (most, wanted)


def test_the_cause_is_in_the_log_that_the_section_names(deployed: Account) -> None:
    logs, cause = boto3.client("logs"), '{"level": "ERROR", "event": "email-not-sent", "status": 500}'
    for name, words in (
        ("unbraid-api-faults", "http"),
        ("unbraid-socket-faults", "connect"),
        ("unbraid-email-refused", "upkeep"),
        ("unbraid-separate-faults", "separate"),
    ):
        (command,) = section(name, "logs tail", words)
        group = command.split()[3]
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        event = {"timestamp": round(time.time() * 1000), "message": cause}
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
        assert run(command) == [cause], name


def test_the_first_run_sees_what_is_left_until_everything_is_removed(
    deployed: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    (last,) = (text for number, _, text in STEPS if number == "9")
    looks = [each for each in commands(last.split("**If not**")[0]) if each.startswith("aws ")]
    assert len(looks) == last.count("`[]` five times") * 5
    assert all(run(command) for command in looks)
    destroy.destroy(deployed, yes=True)
    assert [run(command) for command in looks] == [[]] * 5
