"""The hook that proves a new version of the function that separates, against a server that speaks for AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tests.aws.functions.conftest import Configure
from tests.simulators.local_servers import serve_app

from unbraid.aws import rollout
from unbraid.aws.functions import prove as module
from unbraid.aws.rollout import PROVE

VERSION = "arn:aws:lambda:eu-central-1:123456789012:function:unbraid-separate:7"
HOOK = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}


class Services:
    """Lambda, which gives the answers in turn, and CodeDeploy, which records what it receives."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.called: list[tuple[str, Any]] = []
        self.reported: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = json.loads(await request.body())
        if "x-amz-target" in request.headers:
            assert request.headers["x-amz-target"].endswith(".PutLifecycleEventHookExecutionStatus")
            self.reported.append(body)
            answer = Response("{}")
        else:
            self.called.append((request.url.path.split("/")[3], body))
            answer = self.answers.pop(0)
        await answer(scope, receive, send)


@pytest.fixture
def services(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    configure(new_version=VERSION)
    monkeypatch.setattr(rollout, "POLL_S", 0.01)
    services = Services()
    with serve_app(services) as host:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        yield services


class Context:
    """Lambda context with a time limit."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * (self._deadline - time.monotonic()))


def hook(seconds: float = 60.0) -> None:
    module.prove(HOOK, Context(seconds))


def report(status: str) -> dict[str, str]:
    return {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "h-1", "status": status}


def pending() -> Response:
    return Response(
        '{"Message": "The function is in the state Pending."}',
        409,
        {"x-amzn-errortype": "ResourceConflictException"},
    )


def test_a_version_that_separates_gets_songs(services: Services) -> None:
    services.answers = [Response('{"batchItemFailures": []}')]
    hook()
    assert services.called == [(VERSION, PROVE)]
    assert services.reported == [report("Succeeded")]


def test_a_version_that_fails_gets_no_songs(services: Services) -> None:
    services.answers = [
        Response('{"errorType": "UnbraidError"}', headers={"x-amz-function-error": "Unhandled"})
    ]
    hook()
    assert len(services.called) == 1
    assert services.reported == [report("Failed")]


def test_waits_until_lambda_has_prepared_the_version(services: Services) -> None:
    services.answers = [pending(), pending(), Response("{}")]
    hook()
    assert services.reported == [report("Succeeded")]


def test_reports_a_version_that_is_never_ready(services: Services) -> None:
    services.answers = [pending() for _ in range(1000)]
    hook(module.MARGIN_S + 0.1)
    assert services.reported == [report("Failed")]


def test_reports_a_version_that_may_not_be_called(services: Services) -> None:
    services.answers = [Response('{"Message": "no"}', 403, {"x-amzn-errortype": "AccessDeniedException"})]
    hook()
    assert services.reported == [report("Failed")]
