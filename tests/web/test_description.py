"""The OpenAPI document is valid, has examples and matches the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from tests.web.conftest import App, OpenApp

from unbraid.api.routes import ROUTES


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of every route."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Validate `value` against `schema`."""
    whole = {"components": document["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(value)


@pytest.fixture
def document(app: App) -> dict[str, Any]:
    answer = app.client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()  # type: ignore[no-any-return]


def test_document_is_valid_and_operation_ids_are_unique(document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


ONLY_WEB = {
    "POST /mix",
    "POST /shared/mix",
    "GET /metrics",
    "PUT /files/{key}",
    "GET /files/{key}",
    "HEAD /files/{key}",
    "GET /teaching",
    "PUT /teaching/stems",
    "POST /teaching/check",
    "POST /teaching/start",
    "POST /teaching/accept",
    "POST /teaching/stop",
    "POST /teaching/finish",
    "GET /teaching/clips/{name}",
}
WITHOUT_BODY = {"/teaching/check", "/teaching/stop"}
# Clients rely on these, so none may ever be missing from the table.
PUBLISHED = {
    "POST /upload",
    "POST /process",
    "POST /status",
    "GET /status/{sessionId}",
    "POST /cancel",
    "POST /cleanup",
    "GET /history",
    "POST /batch",
    "POST /batch/process",
    "POST /batch/status",
    "GET /models",
    "GET /config",
    "GET /healthz",
}


def test_document_has_every_route(document: dict[str, Any]) -> None:
    calls = {f"{method.upper()} {path}" for path, method, _ in operations(document)}
    table = {route.key for route in ROUTES}
    assert calls == table | ONLY_WEB
    assert table >= PUBLISHED


def test_every_request_body_has_a_valid_example(document: dict[str, Any]) -> None:
    bodies = 0
    for _, _, operation in operations(document):
        assert operation["description"]
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert document["components"]["schemas"][name]["examples"], name
            bodies += 1
    posts = [path for path, method, _ in operations(document) if method == "post"]
    assert bodies == len(posts) - len(WITHOUT_BODY) >= 9
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            check(document, schema, example)


def test_error_responses_are_problem_json(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status[0] in "45":
                assert list(response["content"]) == ["application/problem+json"]


def test_answers_match_their_schemas(app: App, document: dict[str, Any]) -> None:
    upload = app.completed()
    body = {"session_id": upload["sessionId"]}
    calls: list[tuple[str, str, Any]] = [
        ("post", "/upload", {"fileName": "a.mp3", "fileType": ""}),
        ("post", "/process", {"sessionId": upload["sessionId"], "s3Key": upload["s3Key"]}),
        ("post", "/status", body),
        ("post", "/cancel", body),
        ("post", "/batch", {"files": [{"fileName": "a.mp3", "fileType": ""}]}),
        ("post", "/batch/process", {"sessionIds": [upload["sessionId"], "x" * 32]}),
        ("post", "/batch/status", {"session_ids": [upload["sessionId"], "x" * 32]}),
        ("get", "/history", None),
        ("get", "/models", None),
        ("get", "/config", None),
        ("get", "/healthz", None),
        ("post", "/cleanup", body),
    ]
    for method, path, sent in calls:
        answer = app.client.request(method, path, json=sent)
        responses = document["paths"][path][method]["responses"]
        content = responses[str(answer.status_code)]["content"]["application/json"]
        check(document, content["schema"], answer.json())
    refused = app.client.post("/status", json={})
    check(document, {"$ref": "#/components/schemas/Problem"}, refused.json())


def test_security_scheme_appears_only_with_sign_in(open_app: OpenApp) -> None:
    app = open_app(oidc_issuer="https://accounts.example.org", oidc_client_id="app")
    document = app.client.get("/openapi.json").json()
    assert document["paths"]["/upload"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/config"]["get"]


def test_generated_requests_get_documented_answers(app: App, document: dict[str, Any]) -> None:
    seen = set()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=5,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            body = {"json": case.body} if case.media_type == "application/json" else {}
            answer = app.client.request(
                case.method, case.formatted_path, params=case.query, headers=dict(case.headers or {}), **body
            )
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400 and case.method != "HEAD":
                check(document, {"$ref": "#/components/schemas/Problem"}, answer.json())
            seen.add((case.method, case.path, answer.status_code))

        ask()
    assert len({(method, path) for method, path, _ in seen}) == len(list(operations(document))) >= 18
    assert {status for _, _, status in seen} >= {200, 403, 404, 422}


def test_document_stays_small(document: dict[str, Any]) -> None:
    assert len(json.dumps(document)) < 80_000


def test_api_docs_name_every_path(document: dict[str, Any]) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    for path, _, _ in operations(document):
        if not path.startswith("/files/"):
            named = path.replace("{sessionId}", "SESSION_ID").replace("{shareId}", "SHARE_ID")
            named = named.replace("{name}", "NAME")
            assert named in manual, path
