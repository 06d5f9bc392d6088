"""Moto's server of the AWS APIs on this machine, and the tables and buckets that the deployment creates.

Moto checks neither signatures nor permissions. `presigned_urls` and `service_gateway` do.
"""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.simulators.local_servers import free_port
from tests.simulators.presigned_urls import ACCESS_KEY, SECRET_KEY

from unbraid.aws.items import BY_EXPIRY, BY_OWNER, BY_STATE

REGION = "eu-central-1"

# These properties have the same names in CloudFormation (AWS::DynamoDB::Table) and in the API (CreateTable).
SESSIONS_TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "owner", "AttributeType": "S"},
        {"AttributeName": "created_at", "AttributeType": "N"},
        {"AttributeName": "state", "AttributeType": "S"},
        {"AttributeName": "at", "AttributeType": "N"},
        {"AttributeName": "all", "AttributeType": "S"},
        {"AttributeName": "expires_at", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": partition, "KeyType": "HASH"},
                {"AttributeName": order, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": projection},
        }
        for name, partition, order, projection in (
            (BY_OWNER, "owner", "created_at", "KEYS_ONLY"),
            (BY_STATE, "state", "at", "ALL"),
            (BY_EXPIRY, "all", "expires_at", "KEYS_ONLY"),
        )
    ],
}
CONNECTIONS_TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "session_id", "AttributeType": "S"},
        {"AttributeName": "connection_id", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "session_id", "KeyType": "HASH"},
        {"AttributeName": "connection_id", "KeyType": "RANGE"},
    ],
}
USAGE_TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
TTL = "ttl"
"""Attribute of all tables that holds the time at which DynamoDB deletes an item."""


def environment(url: str) -> dict[str, str]:
    """Environment variables that make a process call the AWS APIs at `url` only."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


# Variables of the developer's shell that would send calls to a real account.
OTHERS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def use(patch: pytest.MonkeyPatch, url: str) -> None:
    """Make this process call the AWS APIs at `url` until `patch` is undone."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")] + [*OTHERS]:
        patch.delenv(name, raising=False)
    for name, value in environment(url).items():
        patch.setenv(name, value)
    # An older session has older credentials. All tests share one, because reading service descriptions is slow.
    patch.setattr(boto3, "DEFAULT_SESSION", _session())


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session()


@contextmanager
def run_moto(log: Path) -> Iterator[str]:
    """Run a new, empty moto server. Yields its URL."""
    port = free_port()
    program = Path(__file__).with_name("atomic_moto.py")
    # -P: modules of this folder don't hide those of packages.
    command = [sys.executable, "-P", str(program), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a moto server that all tests share. Each test creates its own tables and buckets there."""
    with run_moto(tmp_path_factory.mktemp("moto") / "log") as url:
        yield url


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of the shared moto server, which this test and the processes that it starts call."""
    use(monkeypatch, moto_url)
    return moto_url


def new_bucket() -> str:
    """Create an empty bucket and return its name."""
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return name


def new_table(definition: dict[str, Any] = SESSIONS_TABLE, stream: bool = False) -> str:
    """Create an empty table and return its name. `stream`: also record changes, each with the new item."""
    name, db = f"table-{uuid.uuid4().hex}", boto3.client("dynamodb")
    options: dict[str, Any] = {}
    if stream:
        options["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    db.create_table(TableName=name, **definition, **options)
    db.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL})
    return name
