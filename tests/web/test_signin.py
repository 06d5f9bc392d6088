"""Sign-in to the web app: users can use only their own sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.websockets import WebSocketDisconnect
from tests.web.conftest import SONG, App, OpenApp
from tests.web.issuer import CLIENT, Issuer, running
from tests.web.test_songs import assert_problem

from unbraid.web import events


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


@pytest.fixture
def app(open_app: OpenApp, issuer: Issuer) -> App:
    return open_app(oidc_issuer=issuer.address, oidc_client_id=CLIENT, oidc_scopes="openid email")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_rejects_calls_without_valid_token(app: App, issuer: Issuer) -> None:
    paths = [
        "/upload",
        "/upload/parts",
        "/upload/complete",
        "/process",
        "/status",
        "/cancel",
        "/cleanup",
        "/pieces",
        "/rename",
        "/keep",
        "/share",
        "/batch",
        "/batch/process",
        "/batch/status",
        "/mix",
    ]
    calls = [("POST", path) for path in paths] + [("GET", "/history"), ("GET", f"/status/{'x' * 32}")]
    for headers in (
        {},
        {"X-Browser-Token": "m" * 32},
        {"Authorization": "Basic eDp5"},
        bearer(issuer.token(aud="x")),
    ):
        for method, path in calls:
            body = {"fileName": "a", "fileType": "", "s3Key": "x", "sessionId": "x", "session_id": "x"}
            body |= {"session_ids": ["x"], "sessionIds": ["x"], "files": [], "gains": {"a": 1}, "name": "x"}  # type: ignore[dict-item]
            answer = app.client.request(
                method, path, json=body if method == "POST" else None, headers=headers
            )
            assert_problem(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert sum(app.sessions.store.counts().values()) == 0


def test_a_share_link_needs_no_account_and_only_its_owner_makes_it(app: App, issuer: Issuer) -> None:
    anna, ben = bearer(issuer.token(sub="anna")), bearer(issuer.token(sub="ben"))
    upload = app.client.post("/upload", json={"fileName": "a.mp3", "fileType": ""}, headers=anna).json()
    app.put_song(upload)
    body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"]}
    app.client.post("/process", json=body, headers=anna)
    app.complete(upload)
    song = {"session_id": upload["sessionId"]}
    assert_problem(app.client.post("/share", json=song, headers=ben), 403)
    share_id = app.client.post("/share", json=song, headers=anna).json()["share_id"]
    shared = app.client.get(f"/shared/{share_id}").json()
    assert (
        len(app.client.get(shared["output_files"][0]["s3_url"]).content) == shared["output_files"][0]["size"]
    )
    assert_problem(app.client.get(f"/status/{share_id}", headers=ben), 404)


def test_page_config_and_health_need_no_sign_in(app: App, issuer: Issuer) -> None:
    config = app.client.get("/config").json()
    assert config["signIn"] == {"issuer": issuer.address, "clientId": CLIENT, "scopes": "openid email"}
    for path in ("/", "/healthz", "/metrics", "/models", "/openapi.json"):
        assert app.client.get(path).status_code == 200
    policy = app.client.get("/").headers["content-security-policy"]
    assert f"connect-src 'self' {issuer.address} https://tokens.example.org;" in policy


def test_only_the_owner_may_use_a_session(app: App, issuer: Issuer) -> None:
    anna, berta = bearer(issuer.token()), bearer(issuer.token("two", sub="berta"))
    upload = app.create_upload(**anna)
    app.put_song(upload)
    one = {"session_id": upload["sessionId"]}
    start = {"sessionId": upload["sessionId"], "s3Key": upload["s3Key"]}
    assert_problem(app.client.post("/process", json=start, headers=berta), 403)
    assert app.client.post("/process", json=start, headers=anna).status_code == 202
    app.complete(upload)
    for path, body in (
        ("/status", one),
        ("/cancel", one),
        ("/cleanup", one),
        ("/mix", {**one, "gains": {"vocals": 1}}),
    ):
        assert_problem(app.client.post(path, json=body, headers=berta), 403)
    several = {"session_ids": [upload["sessionId"]]}
    answer = app.client.post("/batch/status", json=several, headers=berta)
    assert [session["status"] for session in answer.json()["sessions"]] == ["UNKNOWN"]
    assert app.client.get("/history", headers=berta).json() == {"sessions": []}
    assert len(app.client.get("/history", headers=anna).json()["sessions"]) == 1
    status = app.client.post("/status", json=one, headers=anna).json()
    # The signed link is the permission: a browser follows it without the token.
    assert app.client.get(status["output_files"][0]["s3_url"]).status_code == 200
    assert app.client.post("/cleanup", json=one, headers=anna).status_code == 200


def test_only_the_owner_may_upload_parts(app: App, issuer: Issuer) -> None:
    anna, berta = bearer(issuer.token()), bearer(issuer.token("two", sub="berta"))
    body = {"fileName": "song.wav", "fileType": "audio/wav", "fileSize": 20 << 20}
    session = {"sessionId": app.client.post("/upload", json=body, headers=anna).json()["sessionId"]}
    for path in ("/upload/parts", "/upload/complete"):
        assert_problem(app.client.post(path, json=session, headers=berta), 403)
    assert app.client.post("/upload/parts", json=session, headers=anna).status_code == 200


def test_unavailable_issuer_is_503(app: App, issuer: Issuer) -> None:
    issuer.status = 500
    answer = app.client.get("/history", headers=bearer(issuer.token()))
    assert_problem(answer, 503)
    assert answer.headers["retry-after"]


def test_websocket_takes_token_as_subprotocol_or_first_message(app: App, issuer: Issuer) -> None:
    token = issuer.token()
    session_id = app.create_upload(**bearer(token))["sessionId"]
    address = f"ws://127.0.0.1:8000/events?session_id={session_id}"
    with app.client.websocket_connect(address, subprotocols=[f"bearer.{token}"]) as socket:
        assert socket.accepted_subprotocol == f"bearer.{token}"
        assert socket.receive_json()["status"] == "AWAITING_UPLOAD"
    with app.client.websocket_connect(address) as socket:
        socket.send_text(token)
        assert socket.receive_json()["status"] == "AWAITING_UPLOAD"


def test_websocket_hides_sessions_of_other_users(app: App, issuer: Issuer) -> None:
    session_id = app.create_upload(**bearer(issuer.token()))["sessionId"]
    address = f"ws://127.0.0.1:8000/events?session_id={session_id}"
    with app.client.websocket_connect(address) as socket:
        socket.send_text(issuer.token(sub="berta"))
        assert socket.receive_json() == {"session_id": session_id, "status": "UNKNOWN"}


@pytest.mark.parametrize("first", ["x", None])
def test_closes_websocket_without_valid_token(
    app: App, first: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "TOKEN_TIMEOUT_S", 0.1)
    with app.client.websocket_connect("ws://127.0.0.1:8000/events?session_id=x") as socket:
        if first is not None:
            socket.send_text(first)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == events.UNAUTHORIZED


def test_upload_link_needs_no_token(app: App, issuer: Issuer) -> None:
    upload = app.create_upload(**bearer(issuer.token()))
    answer = app.client.put(upload["uploadUrl"], content=SONG, headers={"Content-Type": "audio/mpeg"})
    assert answer.status_code == 200
