"""Limits for each client of the deployed API, directly and through CloudFront."""

from __future__ import annotations

import json
import time

import pytest
from tests.e2e.aws.client import HTTP, Client
from tests.simulators.aws_account import AwsAccount

from unbraid.aws import clients
from unbraid.aws.counters import DynamoCounters
from unbraid.jobs.limits import HOUR
from unbraid.jobs.use import UseLimits

FILE = {"fileName": "song.wav", "fileType": "audio/wav"}
ANNA, BERT = "198.51.100.1", "198.51.100.2"


def through_cloudfront(account: AwsAccount, viewer: str) -> Client:
    """A client whose calls arrive as CloudFront sends them, for a viewer who writes another address."""
    (function,) = (
        one
        for one in account.template.of_type("AWS::Lambda::Function").values()
        if one["FunctionName"] == "unbraid-upload"
    )
    secret = function["Environment"]["Variables"]["UNBRAID_PROXY_SECRET"]
    return Client(account, {"X-Forwarded-For": f"203.0.113.9, {viewer}", "X-Proxy-Secret": secret})


@pytest.fixture
def anna(aws_account: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client that has uploaded as many songs as the deployment allows, in this hour and in the next."""
    monkeypatch.setattr(clients, "client", lambda service: aws_account.client(service))
    counters = DynamoCounters(aws_account.table("Usage"))
    for later_s in (0, HOUR):
        now = time.time() + later_s
        UseLimits(counters, 200, clock=lambda now=now: now).take(ANNA, "uploads", 200)  # type: ignore[misc]
    return through_cloudfront(aws_account, ANNA)


def test_a_client_at_its_limit_leaves_the_others_alone(aws_account: AwsAccount, anna: Client) -> None:
    headers = {**anna.headers, "Origin": aws_account.page_origin, "Content-Type": "application/json"}
    refused = HTTP.request("POST", f"{aws_account.api_url}/upload", body=json.dumps(FILE), headers=headers)
    assert (refused.status, refused.headers["content-type"]) == (429, "application/problem+json")
    assert json.loads(refused.data)["detail"].startswith("Each user may upload 200 songs an hour. Try again")
    assert 1 <= int(refused.headers["retry-after"]) <= HOUR
    assert refused.headers["access-control-expose-headers"] == "retry-after"
    session = {"session_id": through_cloudfront(aws_account, BERT).upload()["sessionId"]}
    # Without the secret, the address that a client writes itself counts for nothing.
    forged = Client(aws_account, {"X-Forwarded-For": ANNA, "X-Proxy-Secret": "guessed"})
    assert forged.call("POST", "/upload", FILE)[0] == 200
    # A client that has reached its limit can still see and delete songs.
    assert anna.call("POST", "/status", session)[0] == 200
    assert anna.call("POST", "/cleanup", session)[0] == 200
