"""A server of the AWS APIs on this machine, moto's, over HTTP; in it tables and buckets as the deployment makes them.

It checks neither signatures nor rights: for links see `signatures`.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.aws.signatures import ACCESS_KEY, SECRET_KEY

from unbraid.aws.items import BY_EXPIRY, BY_OWNER, BY_STATE

REGION = "eu-central-1"

# In the words of both CloudFormation (AWS::DynamoDB::Table) and the API (CreateTable).
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
TTL = "ttl"
"""The attribute of both by which DynamoDB deletes items."""


def environment(url: str) -> dict[str, str]:
    """The environment of whoever talks to the AWS APIs at `url`, and to nothing else."""
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


# Of the shell that runs the tests; they would send them elsewhere.
OTHERS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def use(patch: pytest.MonkeyPatch, url: str) -> None:
    """Have this process talk to the AWS APIs at `url` for as long as `patch` lasts."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")] + [*OTHERS]:
        patch.delenv(name, raising=False)
    for name, value in environment(url).items():
        patch.setenv(name, value)
    # One made before has the credentials of then. All tests share one, as it reads descriptions of services for long.
    patch.setattr(boto3, "DEFAULT_SESSION", _session())


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session()


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that lasts as long as the tests; each has tables and buckets of its own there."""
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        yield _address(server, log)
    finally:
        server.terminate()
        server.wait(10)


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 60
    while True:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text()):
            return found[1]
        assert server.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.05)


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same address; this test, and the processes that it starts, talk to it."""
    use(monkeypatch, moto_url)
    return moto_url


def new_bucket() -> str:
    """Make an empty bucket; its name."""
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return name


def new_table(definition: dict[str, Any] = SESSIONS_TABLE, stream: bool = False) -> str:
    """Make an empty table; its name. `stream`: changes can be read, with the item as it is then."""
    name, db = f"table-{uuid.uuid4().hex}", boto3.client("dynamodb")
    options: dict[str, Any] = {}
    if stream:
        options["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    db.create_table(TableName=name, **definition, **options)
    db.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL})
    return name
