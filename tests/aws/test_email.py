"""E-mail through SES, and the SNS topic, which publishes nothing that gives access to a song.

`tests/contract` tests what all notifiers have in common.
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
from tests.aws.sessions import ended_session
from tests.simulators.relay import Answer, Call, refusal, server

from unbraid.aws.email import NOT_SENT, Emails
from unbraid.aws.logs import RedactedFormatter
from unbraid.jobs.session import State

SENDER = "Unbraid <songs@example.org>"
SITE = "https://songs.example.org"
MISSING_TOPIC = "arn:aws:sns:eu-central-1:123456789012:nowhere"


class FakeSes:
    """SES that records its calls. `instead`, if set, replaces its answer."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.instead: Answer | None = None

    def respond(self, call: Call) -> Answer:
        self.calls.append(call)
        return self.instead or Answer(200, b'{"MessageId": "1"}', {"content-type": "application/json"})

    @property
    def sent(self) -> tuple[dict[str, Any], EmailMessage, bytes]:
        """The request of the only call, and its e-mail: parsed and raw."""
        [call] = self.calls
        request = json.loads(call.body)
        raw = base64.b64decode(request["Content"]["Raw"]["Data"])
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return request, message, raw


@pytest.fixture
def ses(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSes]:
    service = FakeSes()
    with server(service.respond) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", url)
        yield service


@pytest.fixture
def topic(aws: str) -> str:
    return str(boto3.client("sns").create_topic(Name="ended-sessions")["TopicArn"])


@pytest.fixture
def inbox(topic: str) -> Iterator[str]:
    """URL of a queue that is subscribed to the topic."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    yield url
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def receive(inbox: str) -> list[dict[str, Any]]:
    """Messages that SNS put into the queue."""
    messages = boto3.client("sqs").receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_sends_any_name_in_ascii_with_short_lines(ses: FakeSes) -> None:
    name = "Über den Wolken – 雲 " + "x" * 200 + ".mp3"
    Emails(None, SENDER, SITE).notify(ended_session(file_name=name))
    request, message, raw = ses.sent
    assert (request["FromEmailAddress"], request["Destination"]) == (
        SENDER,
        {"ToAddresses": ["me@example.org"]},
    )
    assert message["Subject"] == f"{name} is separated"
    assert name in message.get_content().replace("\n", "")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_sends_no_email_without_a_sender(ses: FakeSes) -> None:
    Emails(None, None, SITE).notify(ended_session())
    assert ses.calls == []


def test_publishes_the_end_of_a_session_with_a_hashed_id(topic: str, inbox: str) -> None:
    session = ended_session(owner="user:https://accounts.example.org 42")
    Emails(topic, None, SITE).notify(session)
    [message] = receive(inbox)
    assert json.loads(message["Message"]) == {
        "session": hashlib.sha256(session.id.encode()).hexdigest(),
        "state": "COMPLETED",
        "finished_at": 1_800_000_040.5,
        "model": "htdemucs",
        "stems": "vocals",
        "format": "wav",
        "duration_s": 180.25,
        "work_s": 30.5,
        "attempts": 1,
    }
    assert message["MessageAttributes"]["state"]["Value"] == "COMPLETED"  # for the filters of subscriptions


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_publishes_nothing_that_identifies_the_user_or_the_song(topic: str, inbox: str, state: State) -> None:
    session = ended_session(state, owner="browser:token", file_name="My Song.mp3")
    Emails(topic, None, SITE).notify(session)
    text = json.dumps(receive(inbox))
    assert state.value in text
    for secret in (session.id, "My Song", "me@example.org", "browser:token", SITE):
        assert secret not in text


def test_topic_and_email_fail_independently(topic: str, inbox: str, ses: FakeSes) -> None:
    Emails(MISSING_TOPIC, SENDER, SITE).notify(ended_session())
    assert len(ses.calls) == 1
    ses.instead = refusal(400, "MessageRejected")
    Emails(topic, SENDER, SITE).notify(ended_session())
    assert len(receive(inbox)) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "MessageRejected"])
def test_a_refused_email_is_logged_as_the_alarm_expects(
    ses: FakeSes, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    ses.instead = refusal(400, code)
    Emails(None, SENDER, SITE).notify(ended_session())
    line = json.loads(RedactedFormatter(service="container").format(caplog.records[-1]))
    assert (line["event"], line["level"]) == (NOT_SENT, "ERROR")
    assert code in line["message"]
