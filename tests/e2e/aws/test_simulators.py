"""The simulators of AWS services behave as AWS's documentation says (see tests/simulators/README.md)."""

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
from tests.simulators.async_endpoint import AsyncEndpoint
from tests.simulators.cloudformation import ACCOUNT, REGION, Template
from tests.simulators.http_api import HttpApi
from tests.simulators.iam_roles import IamRoles
from tests.simulators.lambda_functions import LambdaFunctions
from tests.simulators.local_servers import serve_app
from tests.simulators.sample_template import ORIGIN, RESOURCES

HTTP = urllib3.PoolManager(retries=False, timeout=30)


@pytest.fixture(scope="module")
def template() -> Template:
    return Template({"Resources": RESOURCES}, {})


@pytest.fixture(scope="module")
def functions(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaFunctions]:
    functions = LambdaFunctions(template, tmp_path_factory.mktemp("logs"), lambda role: {"ROLE": role})
    functions.retry_after_s = 0.01
    yield functions
    functions.close()


@pytest.fixture(scope="module")
def api(template: Template, functions: LambdaFunctions) -> Iterator[str]:
    with serve_app(HttpApi(template, functions)) as address:
        yield f"http://{address}"


def test_http_api_event_has_payload_format_2_0(api: str) -> None:
    headers = {"X-Many": "1", "Cookie": "a=1; b=2", "Origin": ORIGIN}
    answer = HTTP.request("GET", f"{api}/a/x%20y?q=1&q=2&r=3", headers=headers)
    assert answer.status == 201
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    body = json.loads(answer.data)
    event = body["event"]
    assert (event["version"], event["routeKey"]) == ("2.0", "GET /a/{id}")
    assert event["rawQueryString"] == "q=1&q=2&r=3"
    assert event["queryStringParameters"] == {"q": "1,2", "r": "3"}
    assert event["pathParameters"] == {"id": "x y"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]
    assert event["headers"]["x-many"] == "1"
    assert event["requestContext"]["http"]["method"] == "GET"
    assert "body" not in event
    # The function has the environment of the template, and nothing of this process.
    assert body["environment"]["TABLE"] == REGION
    assert body["environment"]["ROLE"] == f"arn:aws:iam::{ACCOUNT}:role/unbraid-Role"
    assert "UNBRAID_CACHE" not in body["environment"]
    assert 0 < body["left_ms"] <= 1000


def test_http_api_answers_preflights_unknown_routes_and_throttled_calls_itself(api: str) -> None:
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    allowed = HTTP.request("OPTIONS", f"{api}/few", headers=preflight)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, ORIGIN)
    other = HTTP.request(
        "OPTIONS", f"{api}/few", headers={**preflight, "Origin": "https://other.example.org"}
    )
    assert "access-control-allow-origin" not in other.headers
    assert HTTP.request("GET", f"{api}/few").status == 404
    assert HTTP.request("POST", f"{api}/forbidden").status == 500  # no permission lets it invoke the function
    statuses = [HTTP.request("POST", f"{api}/few", body=b"\xff").status for _ in range(3)]
    assert statuses == [201, 201, 429]


def test_slow_function_is_killed_at_its_timeout(functions: LambdaFunctions) -> None:
    started = time.monotonic()
    answer = functions.invoke("Slow", {})
    assert answer.failed
    assert "timed out" in answer.payload["errorMessage"]
    assert time.monotonic() - started < 8


def test_asynchronous_invocation_is_tried_three_times(functions: LambdaFunctions, tmp_path: Path) -> None:
    event = {"file": str(tmp_path / "times")}
    functions.invoke_later("Failing", event)
    until = time.monotonic() + 20
    while not functions.dropped and time.monotonic() < until:
        time.sleep(0.02)
    assert functions.dropped == [("Failing", event)]
    assert (tmp_path / "times").read_text().count("failed") == 3


def test_role_needs_an_allow_and_no_deny(template: Template) -> None:
    rights, bucket = IamRoles(template), "arn:aws:s3:::b"
    role = "unbraid-Role"
    assert rights.allows(role, "s3:GetObject", f"{bucket}/in/song")
    assert not rights.allows(role, "s3:GetObject", f"{bucket}/in/secret")
    assert not rights.allows(role, "s3:PutObject", f"{bucket}/in/song")
    assert not rights.allows(role, "s3:GetObject", f"{bucket}/out/song")
    assert rights.allows(role, "s3:ListBucket", bucket, {"s3:prefix": "in/1/"})
    assert not rights.allows(role, "s3:ListBucket", bucket)


class FakeBucketAndTopics:
    """S3 and SNS clients that store objects and messages in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.messages: list[tuple[str, dict[str, Any]]] = []

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.files[Key])}

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self.files[Key] = Body

    def publish(self, TopicArn: str, Message: str) -> None:
        self.messages.append((TopicArn, json.loads(Message)))


def test_endpoint_scales_out_runs_calls_one_by_one_and_scales_in(template: Template, tmp_path: Path) -> None:
    fake = FakeBucketAndTopics()
    fake.files = {"a": b"one", "b": b"bad", "c": b"die", "d": b"four"}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    endpoint = AsyncEndpoint(template, fake, fake, environment, tmp_path / "log")
    endpoint.command = [sys.executable, "-m", "tests.simulators.sample_functions"]
    endpoint.minute_s = 0.1
    try:
        with serve_app(_application(endpoint)) as address:
            for name in fake.files:
                headers = {
                    "X-Amzn-SageMaker-InputLocation": f"s3://b/{name}",
                    "X-Amzn-SageMaker-Inference-Id": name,
                }
                url = f"http://{address}/endpoints/e/async-invocations"
                assert HTTP.request("POST", url, headers=headers).status == 202
            assert HTTP.request("POST", url, headers={}).status == 400
        until = time.monotonic() + 30
        while (len(fake.messages) < 4 or endpoint.instances) and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        endpoint.close()
    assert endpoint.instances == []
    notices = {notice["inferenceId"]: (topic, notice) for topic, notice in fake.messages}
    assert {name: (topic, notice["invocationStatus"]) for name, (topic, notice) in notices.items()} == {
        "a": ("good", "Completed"),
        "b": ("bad", "Failed"),
        "c": ("bad", "Failed"),
        "d": ("good", "Completed"),
    }
    assert "(400)" in notices["b"][1]["failureReason"]
    output = notices["a"][1]["responseParameters"]["outputLocation"]
    assert fake.files[output.removeprefix("s3://b/")] == b"ONE"


def _application(endpoint: AsyncEndpoint) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        response = await endpoint.accept(Request(scope, receive))
        await response(scope, receive, send)

    return application
