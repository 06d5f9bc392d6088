"""Read from a call of an AWS API who signed it, and which actions on which resources it needs permission for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from tests.simulators.cloudformation import ACCOUNT, REGION

_SCOPE = re.compile(r"(?P<key>\w+)/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class RequiredAction:
    """One action on one resource, with the context keys that policy conditions may use."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def caller(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str] | None:
    """Access key id and service of a signed call. None: the call isn't signed."""
    found = _SCOPE.search(headers.get("authorization", "") or query.get("X-Amz-Credential", ""))
    return None if found is None else (found["key"], found["service"])


def required_actions(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> list[RequiredAction]:
    """All actions that one call needs permission for."""
    match service:
        case "s3":
            return list(_s3(method, path, query, headers, body))
        case "dynamodb":
            return list(_dynamodb(headers["x-amz-target"].partition(".")[2], json.loads(body)))
        case "sns":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            return [RequiredAction(f"sns:{form['Action']}", form.get("TopicArn", "*"))]
        case "sqs":
            queue = json.loads(body).get("QueueUrl", "").rpartition("/")[2]
            action = headers["x-amz-target"].partition(".")[2]
            return [RequiredAction(f"sqs:{action}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")]
        case "ses":
            return _ses(json.loads(body))
        case "sagemaker":
            endpoint = path.split("/")[2]
            return [
                RequiredAction(
                    "sagemaker:InvokeEndpointAsync",
                    f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{endpoint}",
                )
            ]
        case "lambda":
            name = unquote(path).split("/")[3].rpartition(":")[2]
            return [
                RequiredAction("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
            ]
        case "execute-api":
            return []  # the WebSocket API checks these itself
    raise NotImplementedError(f"a call of {service}")


def bucket_and_key(path: str) -> tuple[str, str]:
    """Bucket and key from a path-style address."""
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return bucket, key


def _s3(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Iterator[RequiredAction]:
    bucket, key = bucket_and_key(path)
    bucket_arn, object_arn = f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{key}"
    if not key:
        if "delete" in query:
            space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
            for found in ElementTree.fromstring(body).iter():
                if found.tag.removeprefix(space) == "Key":
                    yield RequiredAction("s3:DeleteObject", f"{bucket_arn}/{found.text}")
        elif method in ("GET", "HEAD"):
            context = {"s3:prefix": query["prefix"]} if "prefix" in query else {}
            yield RequiredAction("s3:ListBucket", bucket_arn, context)
        else:
            raise NotImplementedError(f"{method} of a bucket")
    elif method in ("GET", "HEAD"):
        action = "s3:ListMultipartUploadParts" if "uploadId" in query else "s3:GetObject"
        yield RequiredAction(action, object_arn)
    elif method == "DELETE":
        yield RequiredAction(
            "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", object_arn
        )
    else:
        yield RequiredAction("s3:PutObject", object_arn)
        if "x-amz-copy-source" in headers:
            source = unquote(headers["x-amz-copy-source"]).lstrip("/")
            yield RequiredAction("s3:GetObject", f"arn:aws:s3:::{source}")


def _ses(request: dict[str, Any]) -> list[RequiredAction]:
    """A whole message needs SendRawEmail. SES checks the sender and, in its sandbox, the recipients."""
    sender = request["FromEmailAddress"].rpartition("<")[2].rstrip(">")
    action = "ses:SendRawEmail" if "Raw" in request["Content"] else "ses:SendEmail"
    return [
        RequiredAction(
            action, f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{identity}", {"ses:FromAddress": sender}
        )
        for identity in (sender, *request["Destination"]["ToAddresses"])
    ]


def _dynamodb(action: str, request: dict[str, Any]) -> Iterator[RequiredAction]:
    def table(name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"

    if action == "TransactWriteItems":
        for item in request["TransactItems"]:
            ((kind, operation),) = item.items()
            permission = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
            yield RequiredAction(f"dynamodb:{permission}", table(operation["TableName"]))
    elif action in ("BatchGetItem", "BatchWriteItem"):
        for name in request["RequestItems"]:
            yield RequiredAction(f"dynamodb:{action}", table(name))
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield RequiredAction(f"dynamodb:{action}", table(request["TableName"]) + index)
