"""The WebSocket `/events`."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from tests.web.conftest import App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.web import events

UNKNOWN = "x" * 32


def subscribe(app: App, *ids: str, **more: Any) -> Any:
    query = "&".join(f"session_id={one}" for one in ids)
    return app.client.websocket_connect(f"ws://127.0.0.1:8000/events?{query}", **more)


def test_sends_status_immediately_and_after_each_change(app: App) -> None:
    one, other = app.create_upload(), app.create_upload()
    ids = [one["sessionId"], other["sessionId"]]
    app.put_song(one)
    with subscribe(app, *ids, UNKNOWN) as socket:
        first = [socket.receive_json() for _ in range(3)]
        assert [status["session_id"] for status in first] == [*ids, UNKNOWN]
        assert [status["status"] for status in first] == ["AWAITING_UPLOAD", "AWAITING_UPLOAD", "UNKNOWN"]
        assert first[0] == app.status(one)
        app.process(one)
        status = socket.receive_json()
        assert (status["session_id"], status["status"], status["queue_position"]) == (ids[0], "PENDING", 1)
        app.complete(one)
        status = socket.receive_json()
        assert (status["status"], len(status["output_files"])) == ("COMPLETED", 2)
        assert app.client.get(status["output_files"][0]["s3_url"]).status_code == 200
        app.service.cleanup(ids[0])
        assert socket.receive_json() == {"session_id": ids[0], "status": "UNKNOWN"}
        app.service.cancel(ids[1])
        assert socket.receive_json()["status"] == "CANCELLED"


def test_sends_changed_queue_position(app: App) -> None:
    first, second = app.create_upload(), app.create_upload()
    for upload in (first, second):
        app.put_song(upload)
        app.process(upload)
    with subscribe(app, second["sessionId"]) as socket:
        assert socket.receive_json()["queue_position"] == 2
        app.leases.begin(first["sessionId"], "worker")
        assert socket.receive_json()["queue_position"] == 1


def test_sends_a_waiting_song_again_when_the_one_before_it_takes_longer(app: App) -> None:
    first, second = app.create_upload(), app.create_upload()
    for upload in (first, second):
        app.put_song(upload)
        app.process(upload)
    app.leases.begin(first["sessionId"], "worker")
    with subscribe(app, second["sessionId"]) as socket:
        expected = socket.receive_json()["starts_in_seconds"]
        # Its size said little about its length.
        assert app.leases.renew_lease(first["sessionId"], "worker", 0.01, None, 3600.0)
        assert socket.receive_json()["starts_in_seconds"] > expected + 60


def test_sends_all_subscribers_the_same_status(app: App) -> None:
    upload = app.create_upload()
    with subscribe(app, upload["sessionId"]) as one, subscribe(app, upload["sessionId"]) as other:
        assert one.receive_json() == other.receive_json()
        app.service.cancel(upload["sessionId"])
        assert one.receive_json() == other.receive_json()
        assert len(app.client.app.state.watcher) == 2  # type: ignore[attr-defined]
    with subscribe(app, upload["sessionId"]) as again:
        assert again.receive_json()["status"] == "CANCELLED"


def test_retries_after_store_error(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = app.create_upload()
    real, failures = app.sessions.store.get_many, [OSError("away")]

    def sometimes(ids: list[str]) -> Any:
        if failures and len(received) == 1:
            raise failures.pop()
        return real(ids)

    received: list[Any] = []
    with subscribe(app, upload["sessionId"]) as socket:
        received.append(socket.receive_json())
        monkeypatch.setattr(app.sessions.store, "get_many", sometimes)
        app.service.cancel(upload["sessionId"])
        assert socket.receive_json()["status"] == "CANCELLED"
    assert failures == []


def test_rejects_other_origins(open_app: OpenApp) -> None:
    app = open_app(origins=["https://app.example.org"])
    one = app.create_upload()["sessionId"]
    for origin in ("http://127.0.0.1:8000", "https://app.example.org"):
        with subscribe(app, one, headers={"Origin": origin}) as socket:
            assert socket.receive_json()["session_id"] == one
    for origin in ("https://evil.example.org", "http://127.0.0.1:9000", "null", "http://["):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            subscribe(app, one, headers={"Origin": origin}),
        ):
            pass
        assert refused.value.status_code == 403
        assert refused.value.headers["x-content-type-options"] == "nosniff"


def test_rejects_foreign_host_name(app: App) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        subscribe(app, UNKNOWN, headers={"Host": "evil.example.org"}),
    ):
        pass
    assert refused.value.status_code == 421


def test_rejects_invalid_session_ids(open_app: OpenApp) -> None:
    app = open_app(max_batch=2)
    for ids in ((), ("a%00b",), ("a", "b", "c")):
        with pytest.raises((WebSocketDenialResponse, WebSocketDisconnect)), subscribe(app, *ids) as socket:
            socket.receive_json()


def test_limits_sockets_per_client(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_SOCKETS_PER_CLIENT", 1)
    with subscribe(app, UNKNOWN) as first:
        first.receive_json()
        with pytest.raises(WebSocketDenialResponse) as refused, subscribe(app, UNKNOWN):
            pass
        assert refused.value.status_code == 429
        assert refused.value.headers["retry-after"] == "60"
    with subscribe(app, UNKNOWN) as second:
        second.receive_json()


def test_opening_sockets_counts_for_the_rate_limit(open_app: OpenApp) -> None:
    app = open_app(rate=0.01, rate_burst=2)
    for _ in range(2):
        with subscribe(app, UNKNOWN) as socket:
            socket.receive_json()
    with pytest.raises(WebSocketDenialResponse) as refused, subscribe(app, UNKNOWN):
        pass
    assert refused.value.status_code == 429


def test_rejects_websocket_at_another_path(app: App) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        app.client.websocket_connect("ws://127.0.0.1:8000/"),
    ):
        pass
    assert_problem(refused.value, 404)
