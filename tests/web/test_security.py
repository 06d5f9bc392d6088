"""Security headers, CORS, host names and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import SONG, App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.web.static import FrontEnd

ORIGIN = "https://app.example.org"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def all_kinds_of_answers(app: App) -> list[Any]:
    """A page, an asset, an API answer, a file, and an error of each layer."""
    client, upload = app.client, app.completed()
    stem = app.status(upload)["output_files"][0]["s3_url"]
    return [
        client.get("/"),
        client.get("/assets/none.js"),
        client.get("/models"),
        client.get("/metrics"),
        client.get("/openapi.json"),
        client.get(stem),
        client.get(stem, headers={"Range": "bytes=0-1"}),
        client.get(stem, headers={"Range": "bytes=9999999-"}),
        client.get(stem + "x"),
        client.get("/nothing"),
        client.get("/upload"),
        client.post("/upload", content=b"{", headers={"Content-Type": "application/json"}),
        client.post("/upload", content=bytes(1 << 20)),
        client.get("/models", headers={"Host": "evil.example.org"}),
        client.options("/upload", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}),
    ]


def test_every_answer_has_security_headers(app: App) -> None:
    for answer in all_kinds_of_answers(app):
        for name, value in ALWAYS.items():
            assert answer.headers[name] == value, (answer.request.url, answer.status_code)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy.replace("'wasm-unsafe-eval'", "")
        assert "http" not in policy  # no other origin
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers  # this is http


def test_internal_error_has_security_headers_and_no_details(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(app.service, "status", break_down)
    answer = app.client.post("/status", json={"session_id": "x" * 32})
    problem = assert_problem(answer, 500)
    assert "secret" not in str(problem)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


def test_api_answers_are_not_cached(app: App) -> None:
    upload = app.create_upload()
    answer = app.client.get(f"/status/{upload['sessionId']}")
    assert answer.headers["cache-control"] == "no-store"


# Origins


def preflight(app: App, path: str, method: str, headers: str, origin: str = ORIGIN) -> Any:
    headers_ = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    return app.client.options(path, headers=headers_)


def test_configured_origin_may_upload_process_and_download(open_app: OpenApp) -> None:
    app = open_app(origins=[ORIGIN])
    allowed = preflight(app, "/upload", "POST", "content-type,x-browser-token,authorization")
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    created = app.client.post(
        "/upload", json={"fileName": "a.mp3", "fileType": "audio/mpeg"}, headers={"Origin": ORIGIN}
    )
    assert created.headers["access-control-allow-origin"] == ORIGIN
    upload = created.json()
    path = upload["uploadUrl"].partition(":8000")[2]
    allowed = preflight(app, path, "PUT", "content-type")
    assert allowed.status_code == 200
    assert "PUT" in allowed.headers["access-control-allow-methods"]
    sent = app.client.put(path, content=SONG, headers={"Origin": ORIGIN, "Content-Type": "audio/mpeg"})
    assert sent.headers["access-control-allow-origin"] == ORIGIN
    app.process(upload)
    app.complete(upload)
    stem = app.status(upload)["output_files"][0]["s3_url"]
    assert preflight(app, stem.partition(":8000")[2], "GET", "range").status_code == 200
    downloaded = app.client.get(stem, headers={"Origin": ORIGIN, "Range": "bytes=0-9"})
    assert downloaded.headers["access-control-allow-origin"] == ORIGIN
    assert "Content-Range" in downloaded.headers["access-control-expose-headers"]
    refused = app.client.post("/status", json={}, headers={"Origin": ORIGIN})
    assert refused.headers["access-control-allow-origin"] == ORIGIN


def test_other_origins_get_no_cors_headers(open_app: OpenApp) -> None:
    app = open_app(origins=[ORIGIN])
    for origin in ("https://evil.example.org", "http://app.example.org", ORIGIN + ".evil.org", "null"):
        for path, method in (("/upload", "POST"), ("/files/inputs/x/song", "PUT")):
            assert preflight(app, path, method, "content-type", origin).status_code == 400
        answer = app.client.get("/models", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_no_cors_headers_without_configured_origins(app: App) -> None:
    assert preflight(app, "/upload", "POST", "content-type").status_code == 400
    assert "access-control-allow-origin" not in app.client.get("/models", headers={"Origin": ORIGIN}).headers


# Host names


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "music.example.org"]
)
def test_accepts_loopback_and_public_host_names(open_app: OpenApp, host: str) -> None:
    app = open_app(public_url="http://music.example.org")
    assert app.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example.org", "127.0.0.1.evil.org", "evil.org:8000", "", "[", "localhost@evil.org", "192.0.2.1"],
)
def test_rejects_other_host_names(app: App, host: str) -> None:
    for path in ("/", "/models"):
        assert_problem(app.client.get(path, headers={"Host": host}), 421)


def test_server_on_all_interfaces_accepts_any_host_name(open_app: OpenApp) -> None:
    app = open_app(host="0.0.0.0", insecure=True)
    assert app.client.get("/healthz", headers={"Host": "192.0.2.1:8000"}).status_code == 200


# The page


def test_page_has_policy_and_cache_headers(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = app.settings.data / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><p>page")
    (folder / "assets" / "index-abc.js").write_text("1")
    (folder / "favicon.svg").write_text("<svg/>")
    (app.settings.data / "assets-secret").write_text("secret")
    monkeypatch.setattr(app.client.app.router.default, "folder", folder)  # type: ignore[attr-defined]
    monkeypatch.setattr(app.client.app.router.default, "all_directories", [folder])  # type: ignore[attr-defined]

    page = app.client.get("/")
    assert page.text == "<!doctype html><p>page"
    assert page.headers["cache-control"] == "no-cache"
    assert "script-src 'self' 'wasm-unsafe-eval';" in page.headers["content-security-policy"]
    assert "connect-src 'self';" in page.headers["content-security-policy"]
    same = app.client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert same.status_code == 304
    # Browsers update the headers of their cached page from this answer.
    assert same.headers["content-security-policy"] == page.headers["content-security-policy"]
    asset = app.client.get("/assets/index-abc.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"].startswith("text/javascript")
    assert app.client.get("/favicon.svg").headers["cache-control"] == "no-cache"
    for path in (
        "/assets/../../secret",
        "/..%2fsecret",
        "/assets%2f..%2f..%2fsecret",
        "/%2e%2e/assets-secret",
    ):
        assert_problem(app.client.get(path), 404)


def test_share_links_have_the_same_page_at_another_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>Built</title>")
    client = TestClient(FrontEnd(tmp_path))
    page, link_page = client.get("/"), client.get("/listen")
    assert (link_page.status_code, link_page.text) == (200, page.text)
    for name in ("content-security-policy", "cache-control", "content-type"):
        assert link_page.headers[name] == page.headers[name]


def test_missing_page_says_how_to_build_it(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.client.app.router, "default", FrontEnd(app.settings.data / "nowhere"))  # type: ignore[attr-defined]
    page = app.client.get("/")
    assert page.status_code == 200
    assert "requirements/frontend.sh" in page.text
    for elsewhere in ("/x", "/assets/x.js", "/files/a%0Ab"):
        assert app.client.get(elsewhere).status_code == 404
    assert app.client.post("/x").status_code == 405
