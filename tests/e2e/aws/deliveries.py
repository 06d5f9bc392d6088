"""Brings functions what happens elsewhere: messages of topics, changes in tables, messages in queues.

After https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html, …/with-ddb.html and …/with-sqs.html.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.e2e.aws.functions import Functions
from tests.e2e.aws.permissions import may_deliver
from tests.e2e.aws.template import REGION, Template

POLL_S = 0.2


class Topics:
    """An ASGI application that moto posts messages of topics to, at `/FUNCTION`, for functions that have subscribed."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self.deliver: Callable[[str, Any], None] = functions.invoke_later
        """Gets function and event; a test may deliver twice, late, or not at all."""

    def subscribe(self, template: Template, sns: Any, address: str) -> None:
        """Subscribe what the template subscribes, as this application at `address`."""
        for said in template.of_type("AWS::SNS::Subscription").values():
            if said["Protocol"] != "lambda":
                continue
            function = said["Endpoint"]
            assert may_deliver(template, function, "sns.amazonaws.com", said["TopicArn"])
            name = function.rpartition(":")[2]
            sns.subscribe(TopicArn=said["TopicArn"], Protocol="http", Endpoint=f"http://{address}/{name}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        message = json.loads(await request.body())
        if message["Type"] == "Notification":
            sns = {
                "Type": "Notification",
                "MessageId": message["MessageId"],
                "TopicArn": message["TopicArn"],
                "Subject": message.get("Subject"),
                "Message": message["Message"],
                "Timestamp": message["Timestamp"],
                "SignatureVersion": "1",
                "Signature": "EXAMPLE",
                "SigningCertUrl": "EXAMPLE",
                "UnsubscribeUrl": "EXAMPLE",
                "MessageAttributes": {},
            }
            record = {
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{message['TopicArn']}:subscription",
                "EventSource": "aws:sns",
                "Sns": sns,
            }
            self.deliver(request.url.path[1:], {"Records": [record]})
        await Response(status_code=200)(scope, receive, send)


class Poller:
    """One event source mapping: a thread that reads, and gives the function what it read."""

    def __init__(self, said: dict[str, Any], functions: Functions, function: str, clients: Any) -> None:
        self.said, self._functions, self._function = said, functions, function
        self._clients = clients
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        source = self.said["EventSourceArn"].split(":")[2]
        (self._stream if source == "dynamodb" else self._queue)()

    def _stream(self) -> None:
        streams, arn = self._clients("dynamodbstreams"), self.said["EventSourceArn"]
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=self.said["StartingPosition"]
        )["ShardIterator"]
        tries = 1 + max(0, self.said.get("MaximumRetryAttempts", 3))
        while not self._over.wait(POLL_S):
            read = streams.get_records(ShardIterator=iterator, Limit=self.said.get("BatchSize", 100))
            iterator = read["NextShardIterator"]
            records = [record for record in map(self._record, read["Records"]) if self._wanted(record)]
            for _ in range(tries if records else 0):
                # What fails is given again from where it began: a stream keeps its order.
                if (
                    self._over.is_set()
                    or not self._functions.invoke(self._function, {"Records": records}).failed
                ):
                    break

    def _record(self, record: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = _plain(record)
        return plain | {"awsRegion": REGION, "eventSourceARN": self.said["EventSourceArn"]}

    def _wanted(self, record: dict[str, Any]) -> bool:
        filters = self.said.get("FilterCriteria", {}).get("Filters", [])
        return not filters or any(_matches(json.loads(one["Pattern"]), record) for one in filters)

    def _queue(self) -> None:
        sqs, arn = self._clients("sqs"), self.said["EventSourceArn"]
        name = arn.rpartition(":")[2]
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        while not self._over.wait(POLL_S):
            got = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(10, self.said.get("BatchSize", 10)),
                AttributeNames=["All"],
            ).get("Messages", [])
            if not got:
                continue
            answer = self._functions.invoke(self._function, {"Records": [self._message(one) for one in got]})
            again: set[str] = set()
            if answer.failed:
                again = {one["MessageId"] for one in got}
            elif "ReportBatchItemFailures" in self.said.get("FunctionResponseTypes", []):
                again = {one["itemIdentifier"] for one in (answer.payload or {}).get("batchItemFailures", [])}
            for one in got:
                if one["MessageId"] not in again:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])

    def _message(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one.get("Attributes", {}),
            "messageAttributes": {},
            "md5OfBody": one["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.said["EventSourceArn"],
            "awsRegion": REGION,
        }


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | set):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return int(value.timestamp())
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _matches(pattern: Any, value: Any) -> bool:
    """A filter of an event source mapping: those of its rules that templates use here."""
    if isinstance(pattern, dict):
        return all(_matches(inner, (value or {}).get(key)) for key, inner in pattern.items())
    for rule in pattern:
        if not isinstance(rule, dict):
            found = rule == value
        elif "exists" in rule:
            found = (value is not None) == rule["exists"]
        elif "anything-but" in rule:
            found = value is not None and value not in rule["anything-but"]
        elif "prefix" in rule:
            found = isinstance(value, str) and value.startswith(rule["prefix"])
        else:
            raise NotImplementedError(str(rule))
        if found:
            return True
    return False
