"""Lambda functions behind the HTTP API: what differs from the web app."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.aws.functions.conftest import Configure, call, invoke
from tests.aws.functions.events import http
from tests.aws.functions.test_same_answers import FUNCTIONS
from tests.jobs.memory import Workspace

from unbraid.aws import handlers
from unbraid.aws.spending import Stopped
from unbraid.jobs.available import AvailableModels
from unbraid.jobs.session import Choices

ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abc"
SIGN_IN = {"oidc_issuer": ISSUER, "oidc_client_id": "app"}
ANNA, BERT = ({"iss": ISSUER, "sub": name, "token_use": "id"} for name in ("anna", "bert"))
PUBLIC = ("GET /config", "GET /healthz", "GET /models")
SHARED = "GET /shared/{shareId}"


def test_decodes_base64_body(workspace: Workspace) -> None:
    session_id = workspace.uploaded("Für Elise.mp3")
    assert (
        call("status", "POST /status", {"session_id": session_id}, encoded=True)[1]["session_id"]
        == session_id
    )
    body = b'{"fileName": "\xff", "fileType": ""}'
    assert call("upload", "POST /upload", body, encoded=True)[0] == 400


@pytest.mark.parametrize("route", FUNCTIONS)
def test_rejects_calls_without_valid_claims(workspace: Workspace, configure: Configure, route: str) -> None:
    """Check claims even if a route has no authorizer, or the authorizer of another issuer."""
    configure(**SIGN_IN)
    for claims in (None, {}, {"iss": ISSUER}, {"iss": "https://evil.example.org", "sub": "anna"}):
        answer = invoke(FUNCTIONS[route], http(route, claims=claims, x_browser_token="m" * 32))
        if route == SHARED:
            assert answer["statusCode"] == 422  # the event has no id
        elif route in PUBLIC:
            assert answer["statusCode"] == 200
        else:
            assert (answer["statusCode"], json.loads(answer["body"])["detail"]) == (401, "Please sign in.")
            assert answer["headers"]["www-authenticate"] == "Bearer"
    assert not workspace.store.records


def test_users_see_only_their_own_sessions(workspace: Workspace, configure: Configure) -> None:
    configure(**SIGN_IN)
    upload = {"fileName": "a.mp3", "fileType": "audio/mpeg"}
    session_id = call("upload", "POST /upload", upload, claims=ANNA)[1]["sessionId"]
    assert workspace.record(session_id).owner == f"user:{ISSUER} anna"
    body = {"session_id": session_id}
    for name in ("status", "cancel", "cleanup"):
        assert call(name, f"POST /{name}", body, claims=BERT)[0] == 403
    assert call("history", "GET /history", claims=BERT)[1] == {"sessions": []}
    assert call("status", "POST /batch/status", {"session_ids": [session_id]}, claims=BERT)[1] == {
        "sessions": [{"session_id": session_id, "status": "UNKNOWN"}]
    }
    assert call("status", "POST /status", body, claims=ANNA)[0] == 200
    assert len(call("history", "GET /history", claims=ANNA)[1]["sessions"]) == 1


def test_ignores_claims_without_sign_in(workspace: Workspace) -> None:
    call("upload", "POST /upload", {"fileName": "a", "fileType": ""}, claims=ANNA, x_browser_token="m" * 32)
    (record,) = workspace.store.records.values()
    assert (record.owner or "").startswith("browser:")


def test_config_names_the_sign_in_provider(configure: Configure) -> None:
    configure(**SIGN_IN, sender="unbraid@example.org")
    config = call("config", "GET /config")[1]
    assert config["signIn"] == {"issuer": ISSUER, "clientId": "app", "scopes": "openid"}
    assert config["mail"] is True


def test_config_without_endpoint_does_not_wake(configure: Configure) -> None:
    configure(endpoint=None, queue_url="https://sqs.example.org/q", socket_url=None)
    config = call("config", "GET /config")[1]
    assert (config["wakes"], config["events"]) == (False, None)


def test_sends_email_only_for_signed_in_users(workspace: Workspace, configure: Configure) -> None:
    session_id = workspace.uploaded(owner=f"user:{ISSUER} anna")
    single = {
        "sessionId": session_id,
        "s3Key": workspace.record(session_id).input_key,
        "notify": "a@example.org",
    }
    many = {"sessionIds": [session_id], "notify": "a@example.org"}
    configure(sender="unbraid@example.org")
    for route, body in (("POST /process", single), ("POST /batch/process", many)):
        status, problem = call("process", route, body)
        assert (status, problem["errors"][0]["pointer"]) == (422, "#/notify")
        assert "signed-in users" in problem["detail"]
    assert workspace.outbox.dispatched == []
    configure(**SIGN_IN, sender="unbraid@example.org")
    assert call("process", "POST /process", single, claims=ANNA)[0] == 202
    assert workspace.record(session_id).choices == Choices(notify="a@example.org")


def test_sends_webhooks_only_for_signed_in_users(workspace: Workspace, configure: Configure) -> None:
    session_id = workspace.uploaded(owner=f"user:{ISSUER} anna")
    url = "https://example.org/done"
    body = {"sessionId": session_id, "s3Key": workspace.record(session_id).input_key, "notify": url}
    secret = {"webhook_secret": "a secret of the test"}
    for settings, problem in ((secret, "signed-in users"), (SIGN_IN, "sends no webhooks")):
        configure(**settings)
        status, answer = call("process", "POST /process", body, claims=ANNA)
        assert (status, answer["errors"][0]["pointer"]) == (422, "#/notify")
        assert problem in answer["detail"]
    configure(**SIGN_IN, **secret)
    assert call("process", "POST /process", body, claims=ANNA)[0] == 202
    assert workspace.record(session_id).choices == Choices(notify=url)


@pytest.mark.parametrize(
    ("image", "used"),
    [
        (("auto", "lite", "htdemucs"), ("htdemucs", "htdemucs")),
        (("auto", "lite", "spleeter"), ("spleeter", "spleeter_lite")),
        (("auto", "lite"), ("lite", "lite")),
    ],
)
def test_auto_is_the_best_model_in_the_image(
    monkeypatch: pytest.MonkeyPatch, image: tuple[str, ...], used: tuple[str, str]
) -> None:
    monkeypatch.delenv("UNBRAID_OFFLINE")
    workspace = Workspace(AvailableModels(image), models=image)
    monkeypatch.setattr(handlers, "sessions", lambda: workspace.sessions)
    answer = call("models", "GET /models")[1]
    assert {model["name"] for model in answer["models"] if model["installed"]} == {*image} - {"auto"}
    [auto] = answer["choices"]
    assert (auto["name"], auto["stems"]["vocals"]["model"], auto["stems"]["all"]["model"]) == ("auto", *used)
    assert all(stem["installed"] and stem["passedOver"] == {} for stem in auto["stems"].values())


def test_internal_error_is_logged_and_hides_its_cause(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("the table is on fire")

    monkeypatch.setattr(workspace.store, "get", broken)
    status, problem = call("status", "POST /status", {"session_id": "x" * 32})
    assert (status, problem["title"]) == (500, "Internal Server Error")
    assert "fire" not in json.dumps(problem)
    assert any("on fire" in json.loads(line).get("exception", "") for line in log.getvalue().splitlines())
    (numbers,) = (json.loads(line) for line in capsys.readouterr().out.splitlines() if '"Faults"' in line)
    assert numbers["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Unbraid"


def test_song_waits_if_it_cannot_be_dispatched(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_session: Any) -> None:
        raise OSError("away")

    monkeypatch.setattr(workspace.outbox, "dispatch", away)
    session_id = workspace.uploaded()
    body = {"sessionId": session_id, "s3Key": workspace.record(session_id).input_key}
    assert call("process", "POST /process", body) == (202, {"sessionId": session_id, "status": "PENDING"})
    assert call("status", "POST /status", {"session_id": session_id})[1]["status"] == "PENDING"
    assert "can't be dispatched" in caplog.text


def test_failing_service_of_aws_is_503_with_the_time_to_wait(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem")

    session_id = workspace.uploaded()
    monkeypatch.setattr(workspace.store, "get", throttled)
    answer = invoke("process", http("POST /process", {"sessionId": session_id, "s3Key": "inputs/a/song"}))
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "10")
    assert "Throttling" not in answer["body"]


def test_takes_no_song_while_the_spending_limit_is_reached(
    workspace: Workspace, configure: Configure, table: str
) -> None:
    configure(at_most_usd=20.0, table=table)
    upload = {"fileName": "a.mp3", "fileType": "audio/mpeg"}
    assert call("upload", "POST /upload", upload)[0] == 200
    session_id = workspace.uploaded()
    Stopped(table).set(time.time() + 3600)
    process = {"sessionId": session_id, "s3Key": workspace.record(session_id).input_key}
    for name, route, body in (
        ("upload", "POST /upload", upload),
        ("upload", "POST /batch", {"files": [upload]}),
        ("process", "POST /process", process),
        ("process", "POST /batch/process", {"sessionIds": [session_id]}),
    ):
        status, problem = call(name, route, body)
        assert (status, "spending limit" in problem["detail"]) == (409, True), route
    assert workspace.outbox.dispatched == []
    assert call("status", "POST /status", {"session_id": session_id})[0] == 200
    configure(at_most_usd=None, table=table)
    assert call("process", "POST /process", process)[0] == 202


def test_route_of_another_function_is_404(workspace: Workspace) -> None:
    assert call("upload", "POST /status", {"session_id": "x"})[0] == 404


def test_answers_are_not_cached(workspace: Workspace) -> None:
    headers = invoke("config", http("GET /config"))["headers"]
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
