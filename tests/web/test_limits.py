"""Rate limits, body limits and batch limits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Scope
from tests.web.conftest import SONG, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.errors import SettingError
from unbraid.jobs.use import UseLimits
from unbraid.local.settings import Settings
from unbraid.web import bodies
from unbraid.web.limits import Buckets, client_of


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_bucket_allows_a_burst_then_a_rate() -> None:
    buckets = Buckets(20, 30, clock := Clock())
    assert [buckets.take("a") for _ in range(30)] == [0] * 30
    assert buckets.take("a") == pytest.approx(1 / 20)
    assert buckets.take("b") == 0
    clock.now += 0.5
    assert [buckets.take("a") for _ in range(10)] == [0] * 10
    assert buckets.take("a") > 0


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=300))
def test_bucket_never_exceeds_burst_plus_rate(pauses: list[float]) -> None:
    buckets = Buckets(20, 30, clock := Clock())
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += buckets.take("a") == 0
    assert taken <= 30 + 20 * sum(pauses) + 1e-6


def test_drops_buckets_of_inactive_clients() -> None:
    buckets = Buckets(20, 30, clock := Clock())
    for number in range(1000):
        buckets.take(str(number))
    clock.now += 2
    buckets.take("a")
    assert len(buckets) == 1


def scope(host: str) -> Scope:
    return {"type": "http", "client": (host, 1234)}


def test_client_is_ipv4_address_or_ipv6_network() -> None:
    assert client_of(scope("192.0.2.7")) == "192.0.2.7"
    assert client_of(scope("2001:db8:1:2:3:4:5:6")) == client_of(scope("2001:db8:1:2::9"))
    assert client_of(scope("2001:db8:1:2::9")) != client_of(scope("2001:db8:1:3::9"))
    assert client_of(scope("::1")) == "::1"
    assert client_of(scope("testclient")) == "testclient"
    assert client_of({"type": "http"}) == ""


def test_answers_429_with_retry_after(open_app: OpenApp) -> None:
    app = open_app(rate=0.5, rate_burst=30)
    statuses = [app.client.get("/models").status_code for _ in range(30)]
    assert statuses == [200] * 30
    answer = app.client.get("/models", headers={"Origin": "https://elsewhere.example.org"})
    assert_problem(answer, 429)
    assert answer.headers["retry-after"] in ("1", "2")
    assert app.client.get("/healthz").status_code == 200
    assert app.client.get("/").status_code == 200


def test_signed_links_have_no_rate_limit(open_app: OpenApp) -> None:
    app = open_app(rate=0.001, rate_burst=5)
    upload = app.create_upload(kind="")
    app.put_song(upload, SONG)
    app.process(upload)
    app.complete(upload)
    address = app.status(upload)["output_files"][0]["s3_url"]
    for _ in range(20):
        assert app.client.get(address, headers={"Range": "bytes=0-9"}).status_code == 206


def test_limits_body_size(open_app: OpenApp) -> None:
    app = open_app()
    for body in (bytes(bodies.MAX_BODY_BYTES + 1), iter([bytes(bodies.MAX_BODY_BYTES), b"x"])):
        answer = app.client.post("/upload", content=body, headers={"Content-Type": "application/json"})
        assert_problem(answer, 413)
    wide = b'{"fileName": "a.mp3", "fileType": "", "more": "' + b"x" * (bodies.MAX_BODY_BYTES - 100) + b'"}'
    answer = app.client.post("/upload", content=wide, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_times_out_slow_body(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.05)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/upload", "query_string": b"", "root_path": ""}
    scope["headers"] = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    app = open_app().client.app
    asyncio.run(asyncio.wait_for(app({**scope, "scheme": "http"}, receive, send), 10))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408


def test_limits_batch_size(open_app: OpenApp) -> None:
    app = open_app(max_batch=2)
    file = {"fileName": "a.mp3", "fileType": ""}
    assert app.client.post("/batch", json={"files": [file] * 2}).status_code == 200
    assert_problem(app.client.post("/batch", json={"files": [file] * 3}), 422)
    assert_problem(app.client.post("/batch/status", json={"session_ids": ["x" * 32] * 3}), 422)
    assert_problem(app.client.post("/batch", json={"files": []}), 422)


def test_limits_songs_per_hour_and_client(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 3600 * 500_000.0 + 1800
    monkeypatch.setattr(UseLimits.__init__, "__defaults__", (None, lambda: now))
    app = open_app(songs_per_hour=3, max_batch=2)
    file = {"fileName": "a.mp3", "fileType": "audio/mpeg"}
    batch = app.client.post("/batch", json={"files": [file] * 2})
    assert batch.status_code == 200
    refused = app.client.post("/batch", json={"files": [file] * 2}, headers={"X-Browser-Token": "n" * 32})
    assert assert_problem(refused, 429)["detail"] == (
        "Each user may upload 3 songs an hour. Try again in 30 minutes."
    )
    assert refused.headers["retry-after"] == "1800"
    upload = app.create_upload()
    app.put_song(upload)
    assert [app.process(upload).status_code for _ in range(4)] == [202, 202, 202, 429]
    assert app.status(upload)["status"] == "PENDING"
    now += 1800
    assert app.client.post("/batch", json={"files": [file] * 2}).status_code == 200


def test_songs_per_hour_must_be_at_least_a_batch() -> None:
    with pytest.raises(SettingError, match="UNBRAID_SONGS_PER_HOUR must be at least UNBRAID_MAX_BATCH"):
        Settings.load(songs_per_hour=99)


def test_without_the_setting_songs_are_not_limited(open_app: OpenApp) -> None:
    app = open_app(max_batch=100)
    file = {"fileName": "a.mp3", "fileType": "audio/mpeg"}
    for _ in range(3):
        assert app.client.post("/batch", json={"files": [file] * 100}).status_code == 200
