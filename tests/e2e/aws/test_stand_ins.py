"""The stand-ins of AWS's services do what its documentation says: a test by them means something."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from starlette.requests import Request
from tests.e2e.aws.endpoint import AsyncEndpoint
from tests.e2e.aws.functions import Functions
from tests.e2e.aws.http_api import HttpApi
from tests.e2e.aws.little_template import ORIGIN, RESOURCES
from tests.e2e.aws.rights import Rights
from tests.e2e.aws.serving import serving
from tests.e2e.aws.template import ACCOUNT, REGION, Template

HTTP = urllib3.PoolManager(retries=False, timeout=30)


@pytest.fixture(scope="module")
def template() -> Template:
    return Template({"Resources": RESOURCES}, {})


@pytest.fixture(scope="module")
def functions(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    functions = Functions(template, tmp_path_factory.mktemp("logs"), lambda role: {"WHO": role})
    functions.retry_after_s = 0.01
    yield functions
    functions.close()


@pytest.fixture(scope="module")
def api(template: Template, functions: Functions) -> Iterator[str]:
    with serving(HttpApi(template, functions)) as address:
        yield f"http://{address}"


def test_an_event_of_the_http_api_has_payload_format_two(api: str) -> None:
    headers = {"X-Many": "1", "Cookie": "a=1; b=2", "Origin": ORIGIN}
    answer = HTTP.request("GET", f"{api}/a/x%20y?q=1&q=2&r=3", headers=headers)
    assert answer.status == 201
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    told = json.loads(answer.data)
    event = told["event"]
    assert (event["version"], event["routeKey"]) == ("2.0", "GET /a/{id}")
    assert event["rawQueryString"] == "q=1&q=2&r=3"
    assert event["queryStringParameters"] == {"q": "1,2", "r": "3"}
    assert event["pathParameters"] == {"id": "x y"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]
    assert event["headers"]["x-many"] == "1"
    assert event["requestContext"]["http"]["method"] == "GET"
    assert "body" not in event
    # The environment is that of the template, and nothing of this process.
    assert told["environment"]["TABLE"] == REGION
    assert told["environment"]["WHO"] == f"arn:aws:iam::{ACCOUNT}:role/unbraid-Role"
    assert "UNBRAID_CACHE" not in told["environment"]
    assert 0 < told["left_ms"] <= 1000


def test_the_http_api_answers_much_by_itself(api: str) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    allowed = HTTP.request("OPTIONS", f"{api}/few", headers=asked)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, ORIGIN)
    other = HTTP.request("OPTIONS", f"{api}/few", headers={**asked, "Origin": "https://other.example.org"})
    assert "access-control-allow-origin" not in other.headers
    assert HTTP.request("GET", f"{api}/few").status == 404
    assert HTTP.request("POST", f"{api}/forbidden").status == 500  # no permission lets it invoke the function
    statuses = [HTTP.request("POST", f"{api}/few", body=b"\xff").status for _ in range(3)]
    assert statuses == [201, 201, 429]


def test_a_function_that_takes_too_long_is_killed(functions: Functions) -> None:
    started = time.monotonic()
    answer = functions.invoke("Slow", {})
    assert answer.failed
    assert "timed out" in answer.payload["errorMessage"]
    assert time.monotonic() - started < 8


def test_an_event_that_nobody_waits_for_is_tried_three_times(functions: Functions, tmp_path: Path) -> None:
    event = {"file": str(tmp_path / "times")}
    functions.invoke_later("Failing", event)
    until = time.monotonic() + 20
    while not functions.dropped and time.monotonic() < until:
        time.sleep(0.02)
    assert functions.dropped == [("Failing", event)]
    assert (tmp_path / "times").read_text().count("failed") == 3


def test_a_role_may_do_what_a_statement_allows_and_none_denies(template: Template) -> None:
    rights, bucket = Rights(template), "arn:aws:s3:::b"
    role = "unbraid-Role"
    assert rights.allows(role, "s3:GetObject", f"{bucket}/in/song")
    assert not rights.allows(role, "s3:GetObject", f"{bucket}/in/secret")
    assert not rights.allows(role, "s3:PutObject", f"{bucket}/in/song")
    assert not rights.allows(role, "s3:GetObject", f"{bucket}/out/song")
    assert rights.allows(role, "s3:ListBucket", bucket, {"s3:prefix": "in/1/"})
    assert not rights.allows(role, "s3:ListBucket", bucket)


class Kept:
    """A bucket and topics in a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.told: list[tuple[str, dict[str, Any]]] = []

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.files[Key])}

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self.files[Key] = Body

    def publish(self, TopicArn: str, Message: str) -> None:
        self.told.append((TopicArn, json.loads(Message)))


def test_an_endpoint_wakes_works_one_by_one_and_sleeps_again(template: Template, tmp_path: Path) -> None:
    kept = Kept()
    kept.files = {"a": b"one", "b": b"bad", "c": b"die", "d": b"four"}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    endpoint = AsyncEndpoint(template, kept, kept, environment, tmp_path / "log")
    endpoint.command = [sys.executable, "-m", "tests.e2e.aws.little"]
    endpoint.minute_s = 0.1
    try:
        with serving(_taking(endpoint)) as address:
            for name in kept.files:
                headers = {
                    "X-Amzn-SageMaker-InputLocation": f"s3://b/{name}",
                    "X-Amzn-SageMaker-Inference-Id": name,
                }
                url = f"http://{address}/endpoints/e/async-invocations"
                assert HTTP.request("POST", url, headers=headers).status == 202
            assert HTTP.request("POST", url, headers={}).status == 400
        until = time.monotonic() + 30
        while (len(kept.told) < 4 or endpoint.instances) and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        endpoint.close()
    assert endpoint.instances == []
    told = {notice["inferenceId"]: (topic, notice) for topic, notice in kept.told}
    assert {name: (topic, notice["invocationStatus"]) for name, (topic, notice) in told.items()} == {
        "a": ("good", "Completed"),
        "b": ("bad", "Failed"),
        "c": ("bad", "Failed"),
        "d": ("good", "Completed"),
    }
    assert "(400)" in told["b"][1]["failureReason"]
    output = told["a"][1]["responseParameters"]["outputLocation"]
    assert kept.files[output.removeprefix("s3://b/")] == b"ONE"


def _taking(endpoint: AsyncEndpoint) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        response = await endpoint.take(Request(scope, receive))
        await response(scope, receive, send)

    return application
