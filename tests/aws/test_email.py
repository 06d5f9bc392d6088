"""Emails that SES takes as they are, and a topic that tells programs nothing which opens a song.

What all notifiers have in common is in `tests/contract`.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import boto3
import pytest
from tests.aws.records import ended
from tests.simulators.relay import Answer, Call, refusal, server

from unbraid.aws.email import Emails
from unbraid.jobs.session import State

SENDER = "Unbraid <songs@example.org>"
SITE = "https://songs.example.org"
NOWHERE = "arn:aws:sns:eu-central-1:123456789012:nowhere"


class Post:
    """SES: keeps what it is asked to send, or answers `instead`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.instead: Answer | None = None

    def respond(self, call: Call) -> Answer:
        self.calls.append(call)
        return self.instead or Answer(200, b'{"MessageId": "1"}', {"content-type": "application/json"})

    @property
    def sent(self) -> tuple[dict[str, Any], EmailMessage, bytes]:
        """The one call, and the letter in it."""
        [call] = self.calls
        said = json.loads(call.body)
        raw = base64.b64decode(said["Content"]["Raw"]["Data"])
        letter = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        return said, letter, raw


@pytest.fixture
def post(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    service = Post()
    with server(service.respond) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", url)
        yield service


@pytest.fixture
def topic(aws: str) -> str:
    return str(boto3.client("sns").create_topic(Name="songs-that-ended")["TopicArn"])


@pytest.fixture
def inbox(topic: str) -> Iterator[str]:
    """URL of a queue that hears what the topic is told."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    yield url
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def heard(inbox: str) -> list[dict[str, Any]]:
    """What SNS put there."""
    messages = boto3.client("sqs").receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_a_name_in_any_script_arrives_in_letters_that_every_server_passes_on(post: Post) -> None:
    name = "Über den Wolken – 雲 " + "x" * 200 + ".mp3"
    Emails(None, SENDER, SITE).notify(ended(file_name=name))
    said, letter, raw = post.sent
    assert (said["FromEmailAddress"], said["Destination"]) == (SENDER, {"ToAddresses": ["me@example.org"]})
    assert letter["Subject"] == f"{name} is separated"
    assert name in letter.get_content().replace("\n", "")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_without_a_sender_there_are_no_letters(post: Post) -> None:
    Emails(None, None, SITE).notify(ended())
    assert post.calls == []


def test_programs_hear_of_the_end_but_not_of_what_opens_the_song(topic: str, inbox: str) -> None:
    one = ended(owner="user:https://accounts.example.org 42")
    Emails(topic, None, SITE).notify(one)
    [message] = heard(inbox)
    assert json.loads(message["Message"]) == {
        "session": hashlib.sha256(one.id.encode()).hexdigest(),
        "state": "COMPLETED",
        "finished_at": 1_800_000_040.5,
        "model": "htdemucs",
        "stems": "vocals",
        "format": "wav",
        "duration_s": 180.25,
        "work_s": 30.5,
        "attempts": 1,
    }
    assert message["MessageAttributes"]["state"]["Value"] == "COMPLETED"  # which subscriptions can filter by


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_nothing_of_whose_song_it_is_is_published(topic: str, inbox: str, state: State) -> None:
    one = ended(state, owner="browser:token", file_name="My Song.mp3")
    Emails(topic, None, SITE).notify(one)
    text = json.dumps(heard(inbox))
    assert state.value in text
    for secret in (one.id, "My Song", "me@example.org", "browser:token", SITE):
        assert secret not in text


def test_a_failure_of_one_does_not_keep_the_other(topic: str, inbox: str, post: Post) -> None:
    Emails(NOWHERE, SENDER, SITE).notify(ended())
    assert len(post.calls) == 1
    post.instead = refusal(400, "MessageRejected")
    Emails(topic, SENDER, SITE).notify(ended())
    assert len(heard(inbox)) == 1
