"""Invoke Lambda functions for messages of SNS topics, changes in DynamoDB tables and messages in SQS queues.

Follows https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html, …/with-ddb.html and …/with-sqs.html.
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
from tests.simulators.cloudformation import REGION, Template
from tests.simulators.lambda_functions import LambdaFunctions
from tests.simulators.lambda_permissions import may_deliver

POLL_S = 0.4  # a poll takes 10 ms of a core, and each account has several sources


class TopicSubscriptions:
    """Functions that subscribe to topics: an ASGI application to which moto posts messages, at `/FUNCTION`."""

    def __init__(self, functions: LambdaFunctions) -> None:
        self._functions = functions
        self.deliver: Callable[[str, Any], None] = functions.invoke_later
        """Called with function and event. A test may replace it to deliver twice, late, or not at all."""

    def subscribe(self, template: Template, sns: Any, address: str) -> None:
        """Create the template's subscriptions in moto, with this application at `address` as receiver."""
        for subscription in template.of_type("AWS::SNS::Subscription").values():
            if subscription["Protocol"] != "lambda":
                continue
            function, topic = subscription["Endpoint"], subscription["TopicArn"]
            assert may_deliver(template, function, "sns.amazonaws.com", topic)
            name = function.rpartition(":")[2]
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://{address}/{name}")

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


class EventSourceMapping:
    """One event source mapping: a thread that polls a stream or queue and invokes the function with each batch."""

    def __init__(self, properties: dict[str, Any], functions: LambdaFunctions, clients: Any) -> None:
        self._properties, self._functions, self._clients = properties, functions, clients
        self._function: str = properties["FunctionName"]
        self._source: str = properties["EventSourceArn"]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event source mapping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop polling."""
        self._closing.set()
        self._thread.join(10)

    def _run(self) -> None:
        (self._poll_stream if self._source.split(":")[2] == "dynamodb" else self._poll_queue)()

    def _poll_stream(self) -> None:
        streams, options = self._clients("dynamodbstreams"), self._properties
        (shard,) = streams.describe_stream(StreamArn=self._source)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=self._source, ShardId=shard["ShardId"], ShardIteratorType=options["StartingPosition"]
        )["ShardIterator"]
        tries = 1 + max(0, options.get("MaximumRetryAttempts", 3))
        while not self._closing.wait(POLL_S):
            read = streams.get_records(ShardIterator=iterator, Limit=options.get("BatchSize", 100))
            iterator = read["NextShardIterator"]
            records = [record for record in map(self._record, read["Records"]) if self._passes(record)]
            for _ in range(tries if records else 0):
                # A failed batch is retried before the next one, because a stream keeps its order.
                if (
                    self._closing.is_set()
                    or not self._functions.invoke(self._function, {"Records": records}).failed
                ):
                    break

    def _record(self, record: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = _plain(record)
        return plain | {"awsRegion": REGION, "eventSourceARN": self._source}

    def _passes(self, record: dict[str, Any]) -> bool:
        """Whether the record passes the mapping's filter."""
        filters = self._properties.get("FilterCriteria", {}).get("Filters", [])
        return not filters or any(_matches(json.loads(one["Pattern"]), record) for one in filters)

    def _poll_queue(self) -> None:
        sqs, options = self._clients("sqs"), self._properties
        url = sqs.get_queue_url(QueueName=self._source.rpartition(":")[2])["QueueUrl"]
        while not self._closing.wait(POLL_S):
            messages = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(10, options.get("BatchSize", 10)),
                AttributeNames=["All"],
            ).get("Messages", [])
            if not messages:
                continue
            event = {"Records": [self._message(message) for message in messages]}
            result = self._functions.invoke(self._function, event)
            failed: set[str] = set()
            if result.failed:
                failed = {message["MessageId"] for message in messages}
            elif "ReportBatchItemFailures" in options.get("FunctionResponseTypes", []):
                failures = (result.payload or {}).get("batchItemFailures", [])
                failed = {failure["itemIdentifier"] for failure in failures}
            for message in messages:
                if message["MessageId"] not in failed:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._source,
            "awsRegion": REGION,
        }


def _plain(value: Any) -> Any:
    """Convert a boto3 value to what JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | set):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return int(value.timestamp())
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _matches(pattern: Any, value: Any) -> bool:
    """Apply a filter pattern. Supports only the rules that our template uses."""
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
