"""Who asks for what in a call of the AWS APIs: service, access key, action, resource."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from tests.e2e.aws.template import ACCOUNT, REGION

_SCOPE = re.compile(r"(?P<key>\w+)/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Asked:
    """One action on one resource."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def caller(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str] | None:
    """Access key id and service of a signed call; None: it isn't signed."""
    found = _SCOPE.search(headers.get("authorization", "") or query.get("X-Amz-Credential", ""))
    return None if found is None else (found["key"], found["service"])


def asked(
    service: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> list[Asked]:
    """All that one call needs the right to."""
    match service:
        case "s3":
            return list(_s3(method, path, query, headers, body))
        case "dynamodb":
            return list(_dynamodb(headers["x-amz-target"].partition(".")[2], json.loads(body)))
        case "sns":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            return [Asked(f"sns:{form['Action']}", form.get("TopicArn", "*"))]
        case "sqs":
            queue = json.loads(body).get("QueueUrl", "").rpartition("/")[2]
            action = headers["x-amz-target"].partition(".")[2]
            return [Asked(f"sqs:{action}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")]
        case "ses":
            sender = json.loads(body)["FromEmailAddress"].rpartition("<")[2].rstrip(">")
            identity = f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{sender}"
            return [Asked("ses:SendEmail", identity, {"ses:FromAddress": sender})]
        case "sagemaker":
            endpoint = path.split("/")[2]
            return [
                Asked(
                    "sagemaker:InvokeEndpointAsync",
                    f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{endpoint}",
                )
            ]
        case "lambda":
            name = unquote(path).split("/")[3].rpartition(":")[2]
            return [Asked("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")]
        case "execute-api":
            return []  # the socket's own business
    raise NotImplementedError(f"a call of {service}")


def bucket_and_key(path: str) -> tuple[str, str]:
    """Of an address with the bucket in its path."""
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return bucket, key


def _s3(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Iterator[Asked]:
    bucket, key = bucket_and_key(path)
    whole, one = f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{key}"
    if not key:
        if "delete" in query:
            space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
            for found in ElementTree.fromstring(body).iter():
                if found.tag.removeprefix(space) == "Key":
                    yield Asked("s3:DeleteObject", f"{whole}/{found.text}")
        elif method in ("GET", "HEAD"):
            yield Asked("s3:ListBucket", whole, {"s3:prefix": query["prefix"]} if "prefix" in query else {})
        else:
            raise NotImplementedError(f"{method} of a bucket")
    elif method in ("GET", "HEAD"):
        yield Asked("s3:GetObject", one)
    elif method == "DELETE":
        yield Asked("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", one)
    else:
        yield Asked("s3:PutObject", one)
        if "x-amz-copy-source" in headers:
            yield Asked("s3:GetObject", f"arn:aws:s3:::{unquote(headers['x-amz-copy-source']).lstrip('/')}")


def _dynamodb(action: str, said: dict[str, Any]) -> Iterator[Asked]:
    def table(name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"

    if action == "TransactWriteItems":
        for item in said["TransactItems"]:
            ((kind, one),) = item.items()
            right = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
            yield Asked(f"dynamodb:{right}", table(one["TableName"]))
    elif action in ("BatchGetItem", "BatchWriteItem"):
        for name in said["RequestItems"]:
            yield Asked(f"dynamodb:{action}", table(name))
    else:
        index = f"/index/{said['IndexName']}" if "IndexName" in said else ""
        yield Asked(f"dynamodb:{action}", table(said["TableName"]) + index)
