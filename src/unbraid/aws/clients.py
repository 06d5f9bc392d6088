"""Clients of AWS's services: one way to make them, with time limits and retries.

Where they are and who we are is botocore's business (AWS_REGION, roles, AWS_ENDPOINT_URL and its like).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import ClientError

PAGES_AT_ONCE = 8  # messages to sockets that are on their way at the same time

# All attempts together stay below the 29 s that API Gateway waits. Throttling and faults of the network are retried,
# with growing pauses ("standard" mode).
_ANSWERS = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
# Records are written under load by many at once.
_RECORDS = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 5})
# Addresses name the region: without it, those of new buckets outside of Virginia are redirected for hours, which ends a
# page's upload. Links have the signature that every region takes.
_FILES = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    signature_version="s3v4",
    s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
)
# Many pages are told at the same time, and one that is slow is told again with the next news.
_PAGES = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=PAGES_AT_ONCE,
)
_CONFIGS: Mapping[str, Config] = {"s3": _FILES, "dynamodb": _RECORDS, "apigatewaymanagementapi": _PAGES}

# Making a client is not safe for threads; using it is.
_making = threading.Lock()
_make: Any = boto3.client  # whose types name every service there is


def client(service: str, address: str | None = None) -> Any:
    """A client of the service with that name: `s3`, `sagemaker-runtime`; at `address`, where that is our own."""
    with _making:
        return _make(service, endpoint_url=address, config=_CONFIGS.get(service, _ANSWERS))


def code_of(error: ClientError) -> str:
    """What a service calls the reason of its refusal: `NoSuchKey`; `404` where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reason(error: BaseException) -> str:
    """Why AWS wasn't there or didn't want, without what else it says: addresses of people, keys of songs."""
    if (
        isinstance(error, Boto3Error) and error.__context__ is not None
    ):  # of a transfer, which wraps the cause
        return reason(error.__context__)
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__
