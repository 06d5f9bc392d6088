"""Make clients of AWS services, with timeouts and retries.

botocore finds region, endpoints and credentials itself (AWS_REGION, roles, AWS_ENDPOINT_URL and so on).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

PAGES_AT_ONCE = 8  # messages to WebSocket connections in flight at the same time

# All attempts together take less than the 29 s that API Gateway waits. Throttling and network errors are retried with
# growing pauses ("standard" mode).
_ANSWERS = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
# Many processes write records at the same time.
_RECORDS = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 5})
# URLs name the region. Without it, S3 redirects requests to new buckets outside Virginia for hours, and a redirect
# breaks a page's upload. Links have the signature version that every region accepts.
_FILES = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    signature_version="s3v4",
    s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
)
# Messages go to many pages at the same time; a slow page gets the next status anyway.
_PAGES = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=PAGES_AT_ONCE,
)
_CONFIGS: Mapping[str, Config] = {"s3": _FILES, "dynamodb": _RECORDS, "apigatewaymanagementapi": _PAGES}

# Creating a client is not thread-safe; using it is.
_making = threading.Lock()
_make: Any = boto3.client  # Any: its type stubs list every AWS service


def client(service: str, url: str | None = None, config: Config | None = None) -> Any:
    """Return a client of a service such as `s3` or `sagemaker-runtime`; `url` is an endpoint of this deployment.

    `config`: other timeouts and retries than usual.
    """
    with _making:
        return _make(service, endpoint_url=url, config=config or _CONFIGS.get(service, _ANSWERS))
