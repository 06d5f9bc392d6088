"""`unbraid deploy --redrive` against moto's SQS and SNS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from infra.account import Account
from infra.console import Stopped
from infra.deploy import main
from tests.aws.functions import events
from tests.infra.test_deploy import account, stack
from tests.simulators.moto_server import aws, moto_url

from infra import redrive

__all__ = ["account", "aws", "moto_url"]

SONG = {"input_s3_uri": "s3://b/inputs/x/song.mp3", "session_id": "x", "dispatch": "x.2"}


class Queues:
    """The dead-letter queue, the queue of songs, and a topic whose messages arrive in a queue."""

    def __init__(self, account: Account, **outputs: str) -> None:
        self.sqs, sns = account.client("sqs"), account.client("sns")
        self.dead, self.songs, inbox = (
            self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("dead", "songs", "inbox")
        )
        self.topic = sns.create_topic(Name="unbraid-failed")["TopicArn"]
        arn = self.sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self.inbox = inbox
        stack(account, DeadLetters=self.dead, **{name: getattr(self, url) for name, url in outputs.items()})

    def fail(self, message: Any) -> None:
        """Put a message into the dead-letter queue."""
        self.sqs.send_message(
            QueueUrl=self.dead, MessageBody=message if isinstance(message, str) else json.dumps(message)
        )

    def bodies(self, url: str) -> list[str]:
        """Return and remove up to ten messages of a queue."""
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [each["Body"] for each in messages]

    def left(self) -> int:
        """Return how many messages the dead-letter queue still has, received ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=names)["Attributes"]
        return sum(map(int, counts.values()))


def test_puts_songs_back_into_their_queue(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    queues = Queues(account, SongsQueue="songs")
    for number in range(12):  # more than one call receives
        queues.fail({**SONG, "session_id": str(number)})
    assert main([json.dumps({"redrive": True})]) == 0
    back = [
        json.loads(body)["session_id"] for body in queues.bodies(queues.songs) + queues.bodies(queues.songs)
    ]
    assert sorted(back, key=int) == [str(number) for number in range(12)]
    assert queues.left() == 0
    assert "songs put back into the queue: 12\n" in capsys.readouterr().err


def test_repeats_notifications_that_were_not_delivered_or_not_handled(account: Account) -> None:
    queues = Queues(account)
    notice = events.notice("Failed", "x.2")["Records"][0]["Sns"] | {"TopicArn": queues.topic}
    queues.fail(notice)  # as SNS writes it
    queues.fail(  # as Lambda writes it
        {
            "version": "1.0",
            "requestContext": {
                "functionArn": "arn:aws:lambda:eu-central-1:1:function:unbraid-on_invocation_end"
            },
            "requestPayload": {"Records": [{"EventSource": "aws:sns", "Sns": notice}]},
            "responsePayload": {"errorType": "OSError"},
        }
    )
    redrive.redrive(account)
    again = [json.loads(body) for body in queues.bodies(queues.inbox)]
    assert [each["Message"] for each in again] == [notice["Message"]] * 2
    assert queues.left() == 0


def test_removes_what_needs_no_repeat_and_leaves_the_unknown(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    queues = Queues(account)
    queues.fail({"requestContext": {}, "requestPayload": {"task": "recover"}})
    queues.fail({"requestContext": {}, "DDBStreamBatchInfo": {"shardId": "s", "batchSize": 1}})
    queues.fail(SONG)  # the stack has an endpoint now, and no queue
    for unknown in ("{", "[]", "{}"):
        queues.fail(unknown)
    redrive.redrive(account)
    err = capsys.readouterr().err
    assert "made up for them: 3\n" in err and "unknown form left in the queue: 3\n" in err
    assert queues.left() == 3
    assert queues.bodies(queues.inbox) == []


def test_says_that_the_queue_is_empty(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    Queues(account)
    redrive.redrive(account)
    assert "the dead-letter queue is empty" in capsys.readouterr().err


def test_reports_a_missing_stack(account: Account) -> None:
    with pytest.raises(Stopped, match="There is no stack unbraid"):
        redrive.redrive(account)


def test_a_named_deployment_has_its_own_queue(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    queues = Queues(account, SongsQueue="songs")
    queues.fail(SONG)
    assert main([json.dumps({"redrive": True, "name": "staging"})]) == 1
    assert "There is no stack staging" in capsys.readouterr().err
    assert queues.left() == 1
