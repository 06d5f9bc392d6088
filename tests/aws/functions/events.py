"""Events of API Gateway (HTTP payload 2.0, WebSocket), SNS and DynamoDB streams, as in the AWS documentation."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

GATEWAY = "abcde12345.execute-api.eu-central-1.amazonaws.com"


@dataclass
class Context:
    """The context object of a Lambda function."""

    function_name: str = "unbraid-test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:111122223333:function:unbraid-test"
    aws_request_id: str = "da658bd3-2d6f-4e7b-8ec2-937234644fdc"


def http(
    route: str,
    body: bytes | dict[str, Any] | None = None,
    path: dict[str, str] | None = None,
    query: str = "",
    claims: dict[str, str] | None = None,
    encoded: bool = False,
    **headers: str,
) -> dict[str, Any]:
    """An HTTP event for a route such as `POST /status`. Header names have `_` for `-`."""
    method, _, raw_path = route.partition(" ")
    all_headers = {"host": GATEWAY, "user-agent": "test", "x-forwarded-proto": "https"}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": raw_path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "abcde12345",
            "domainName": GATEWAY,
            "http": {"method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": encoded,
    }
    if body is not None:
        all_headers["content-type"] = "application/json"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        event["body"] = base64.b64encode(data).decode() if encoded else data.decode()
    if path is not None:
        event["pathParameters"] = path
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query))
    if claims is not None:
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    event["headers"] = all_headers | {name.replace("_", "-"): value for name, value in headers.items()}
    return event


def socket(
    route: str, connection_id: str, session_ids: tuple[str, ...] = (), **headers: str
) -> dict[str, Any]:
    """A WebSocket event for `$connect`, `$default` or `$disconnect`."""
    kind = {"$connect": "CONNECT", "$default": "MESSAGE", "$disconnect": "DISCONNECT"}[route]
    event: dict[str, Any] = {
        "requestContext": {
            "routeKey": route,
            "eventType": kind,
            "connectedAt": 1583348638390,
            "requestTimeEpoch": 1583348638390,
            "identity": {"sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "domainName": GATEWAY,
            "stage": "events",
            "connectionId": connection_id,
            "apiId": "abcde12345",
        },
        "isBase64Encoded": False,
    }
    if kind == "MESSAGE":
        event["body"] = '{"action": "status"}'
    if kind == "CONNECT":
        all_headers = {"Host": GATEWAY, "Sec-WebSocket-Version": "13"} | {
            "-".join(part.capitalize() for part in name.split("_")).replace("Websocket", "WebSocket"): value
            for name, value in headers.items()
        }
        event |= {
            "headers": all_headers,
            "multiValueHeaders": {name: [value] for name, value in all_headers.items()},
        }
        if session_ids:
            event["queryStringParameters"] = {"session_id": session_ids[-1]}
            event["multiValueQueryStringParameters"] = {"session_id": list(session_ids)}
    return event


def changes(*changed: tuple[str, str]) -> dict[str, Any]:
    """A batch of stream records, each with its kind (such as `MODIFY`) and session id."""
    return {
        "Records": [
            {
                "eventID": f"{number:032x}",
                "eventName": kind,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "eu-central-1",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1583348638,
                    "Keys": {"id": {"S": session_id}},
                    "SequenceNumber": str(number),
                    "SizeBytes": 26,
                    "StreamViewType": "NEW_IMAGE",
                }
                | ({} if kind == "REMOVE" else {"NewImage": {"id": {"S": session_id}}}),
                "eventSourceARN": "arn:aws:dynamodb:eu-central-1:111122223333:table/t/stream/2020-03-04T19:03:58.000",
            }
            for number, (kind, session_id) in enumerate(changed)
        ]
    }


def notice(status: str, inference_id: str, reason: str | None = None) -> dict[str, Any]:
    """A notification of the topics of an asynchronous endpoint."""
    message: dict[str, Any] = {
        "awsRegion": "eu-central-1",
        "eventTime": "2022-01-25T22:46:00.608Z",
        "receivedTime": "2022-01-25T22:46:00.455Z",
        "invocationStatus": status,
        "requestParameters": {
            "contentType": "application/json",
            "endpointName": "unbraid",
            "inputLocation": "s3://bucket/requests/x.json",
        },
        "inferenceId": inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if status == "Completed":
        message["responseParameters"] = {
            "contentType": "application/json",
            "outputLocation": "s3://bucket/answers/x.out",
        }
    if reason is not None:
        message["failureReason"] = reason
    return sns(json.dumps(message))


def sns(message: str) -> dict[str, Any]:
    """An SNS event with this message."""
    topic = "arn:aws:sns:eu-central-1:111122223333:unbraid-errors"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{topic}:21be56ed-a058-49f5-8c98-aedd2564c486",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                    "TopicArn": topic,
                    "Subject": None,
                    "Message": message,
                    "Timestamp": "2019-01-02T12:45:07.000Z",
                    "MessageAttributes": {},
                },
            }
        ]
    }
