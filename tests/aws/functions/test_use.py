"""Limits for each client of the HTTP API, with a table in moto."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from tests.aws.functions.conftest import Configure, call, invoke
from tests.aws.functions.events import http
from tests.aws.functions.test_http import ANNA, BERT, SIGN_IN
from tests.jobs.memory import Workspace
from tests.simulators.moto_server import USAGE_TABLE, new_table

from unbraid.api.routes import ROUTES
from unbraid.jobs import use

FILE = {"fileName": "a.mp3", "fileType": "audio/mpeg"}
HOUR = 3600 * 500_000.0


@pytest.fixture
def usage(aws: str) -> str:
    return new_table(USAGE_TABLE)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which tests may change."""
    now = [HOUR + 600.0]
    monkeypatch.setattr(use.UseLimits.__init__, "__defaults__", (None, lambda: now[0]))
    return now


def upload(address: str = "192.0.2.1", body: Any = FILE, route: str = "POST /upload", **more: Any) -> Any:
    event = http(route, body, **more)
    event["requestContext"]["http"]["sourceIp"] = address
    return invoke("upload", event)


def test_costly_calls_are_counted() -> None:
    assert {route.path for route in ROUTES if route.use is not None} == {
        "/upload",
        "/upload/parts",
        "/upload/complete",
        "/process",
        "/batch",
        "/batch/process",
        "/keep",
        "/rename",
        "/share",
    }


def test_answers_429_with_the_time_to_wait(
    configure: Configure, usage: str, workspace: Workspace, clock: list[float]
) -> None:
    configure(usage=usage, songs_per_hour=2)
    assert [upload()["statusCode"] for _ in range(3)] == [200, 200, 429]
    refused = upload()
    assert refused["headers"]["retry-after"] == "3000"
    assert refused["headers"]["content-type"] == "application/problem+json"
    assert json.loads(refused["body"]) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Each user may upload 2 songs an hour. Try again in 50 minutes.",
        "can_retry": True,
    }
    assert len(workspace.store.records) == 2
    assert upload("192.0.2.2")["statusCode"] == 200
    clock[0] += 3000
    assert upload()["statusCode"] == 200


def test_all_addresses_of_an_ipv6_network_are_one_client(configure: Configure, usage: str) -> None:
    configure(usage=usage, songs_per_hour=1)
    assert upload("2001:db8:1:2::1")["statusCode"] == 200
    assert upload("2001:db8:1:2:3:4:5:6")["statusCode"] == 429
    assert upload("2001:db8:1:3::1")["statusCode"] == 200


def test_each_song_of_a_batch_counts(configure: Configure, usage: str, workspace: Workspace) -> None:
    configure(usage=usage, songs_per_hour=3)
    batch = {"files": [FILE] * 2}
    assert [upload(body=batch, route="POST /batch")["statusCode"] for _ in range(2)] == [200, 429]
    assert [upload()["statusCode"] for _ in range(2)] == [200, 429]
    ids = [workspace.uploaded() for _ in range(4)]
    assert call("process", "POST /batch/process", {"sessionIds": ids[:2]})[0] == 202
    status, problem = call("process", "POST /batch/process", {"sessionIds": ids[2:]})
    assert (status, "may start 3 songs" in problem["detail"]) == (429, True)
    one = {"sessionId": ids[2], "s3Key": workspace.record(ids[2]).input_key}
    assert call("process", "POST /process", one)[0] == 202
    assert len(workspace.outbox.dispatched) == 3


def test_songs_of_a_batch_that_is_too_large_do_not_count(configure: Configure, usage: str) -> None:
    configure(usage=usage, songs_per_hour=100)
    for size in (101, 150):
        answer = upload(body={"files": [FILE] * size}, route="POST /batch")
        assert (answer["statusCode"], "1 to 100 songs" in answer["body"]) == (422, True)
    assert upload(body={"files": [FILE] * 100}, route="POST /batch")["statusCode"] == 200
    assert upload()["statusCode"] == 429


def test_every_counted_call_is_limited_by_the_minute_and_no_other(
    configure: Configure, usage: str, workspace: Workspace
) -> None:
    configure(usage=usage, calls_per_minute=2)
    session_id = workspace.uploaded()
    by_id = {"session_id": session_id}
    calls: list[tuple[str, str, Any]] = [
        ("upload", "POST /upload", FILE),
        ("upload", "POST /batch", {"files": [FILE]}),
        ("upload", "POST /upload/parts", by_id),
        ("process", "POST /upload/complete", by_id),
        ("process", "POST /process", {"sessionId": session_id, "s3Key": "x"}),
        ("process", "POST /batch/process", {"sessionIds": [session_id]}),
    ]
    for _ in range(2):
        upload()
    for name, route, body in calls:
        status, problem = call(name, route, body)
        assert (status, problem["detail"]) == (429, "Too many requests. Try again in 60 seconds."), route
    assert call("status", "POST /status", by_id)[0] == 200
    assert call("cleanup", "POST /cleanup", by_id)[0] == 200


def test_invalid_calls_are_not_counted(configure: Configure, usage: str) -> None:
    configure(usage=usage, songs_per_hour=1)
    for _ in range(3):
        assert upload(body={"fileName": ""})["statusCode"] == 422
    assert upload()["statusCode"] == 200


def test_with_sign_in_users_count_and_not_addresses(configure: Configure, usage: str) -> None:
    configure(usage=usage, songs_per_hour=1, **SIGN_IN)
    assert upload("192.0.2.1", claims=ANNA)["statusCode"] == 200
    assert upload("192.0.2.2", claims=ANNA)["statusCode"] == 429
    assert upload("192.0.2.1", claims=BERT)["statusCode"] == 200


def test_a_new_browser_token_is_no_new_client(configure: Configure, usage: str) -> None:
    configure(usage=usage, songs_per_hour=1)
    assert upload(x_browser_token="a" * 32)["statusCode"] == 200
    assert upload(x_browser_token="b" * 32)["statusCode"] == 429


def test_behind_cloudfront_viewers_count(configure: Configure, usage: str) -> None:
    configure(usage=usage, songs_per_hour=1, proxy_secret="s" * 43)

    def through(viewer: str, secret: str) -> Any:
        return upload(x_forwarded_for=f"203.0.113.1, {viewer}, 192.0.2.1", x_proxy_secret=secret)

    assert through("198.51.100.1", "s" * 43)["statusCode"] == 200
    assert through("198.51.100.2", "s" * 43)["statusCode"] == 200
    assert through("198.51.100.1", "s" * 43)["statusCode"] == 429
    # Anyone may send that header to the API. Without the secret, all of these are one client.
    assert through("198.51.100.3", "guessed")["statusCode"] == 200
    assert through("198.51.100.4", "guessed")["statusCode"] == 429


def test_the_table_has_no_address_and_forgets_it(configure: Configure, usage: str) -> None:
    configure(usage=usage)
    upload("192.0.2.77")
    (item,) = boto3.client("dynamodb").scan(TableName=usage)["Items"]
    assert item.keys() == {"id", "ttl", "uploads", "minute10"}
    assert "192.0.2" not in json.dumps(item)
    assert float(item["ttl"]["N"]) == HOUR + 3600
