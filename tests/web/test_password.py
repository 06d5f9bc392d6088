"""A password that all users share (`UNBRAID_TOKEN`): nothing but the form, health checks and links without it.

Share links, and the page that plays them, are links, too.
"""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.conftest import WriteWave
from tests.web import conftest
from tests.web.conftest import ADDRESS, SONG, App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.errors import SettingError
from unbraid.local.settings import Settings
from unbraid.web.gate import COOKIE
from unbraid.web.password import CLIENT_BURST, COOKIE_S, TOTAL_BURST, Refusal, SharedPassword
from unbraid.web.sign_in import PAGE

EVENTS = "ws://127.0.0.1:8000/events?session_id=x"
PASSWORD = "grüne Katze im Garten"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def bearer(password: str) -> dict[str, bytes]:
    return {"Authorization": f"Bearer {password}".encode()}


def sign_in(client: TestClient, password: str = PASSWORD):  # type: ignore[no-untyped-def]
    """Send the form as a browser does."""
    return client.post("/sign-in", data={"password": password}, headers=BROWSER, follow_redirects=False)


@pytest.fixture
def app(open_app: OpenApp) -> App:
    return open_app(token=PASSWORD)


def test_every_route_needs_the_password_except_those_without_a_secret(app: App) -> None:
    paths = list(app.client.app.openapi()["paths"])  # type: ignore[attr-defined]
    assert {"/upload", "/metrics", "/mix", "/status/{sessionId}"} < set(paths)
    paths += ["/", "/openapi.json", "/events", "/sign-out"]
    paths += [
        "/assets/",
        "/assets/a/b.js",
        "/assets/%2e%2e",
        "/icon-192.png/x",
        "/config.json/",
        "/index.html",
        "/sw.js",
        "/listen/",
        "/listen.html",
        "/shared",
        "/shared/",
        "/shared/x/mix",
        "/nothing",
        "//healthz",
        "/healthz/",
        "/sign-in/",
    ]
    paths += ["/files/a%0A/../../index.html", "/filesx", "/%2e%2e/secret"]
    for path in paths:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = app.client.request(method, path, follow_redirects=False)
            if path in ("/healthz", "/sign-in", "/shared/mix") or path.startswith("/files/{"):
                continue  # tested below; links check their signature, and share links their id
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            if method != "HEAD":
                assert_problem(answer, 401)
    assert app.client.get("/healthz").status_code == 200
    assert app.client.get("/sign-in").status_code == 200
    for public in ("/manifest.webmanifest", "/favicon.svg", "/icon-192.png", "/icon-512.png"):
        assert app.client.get(public).status_code != 401  # browsers fetch them without cookies
    for page in ("/listen", "/config.json", "/assets/index-1a2b.js"):  # of share links
        assert app.client.get(page, headers=BROWSER, follow_redirects=False).status_code in (200, 404)
        assert app.client.post(page).status_code == 405
    assert_problem(app.client.get("/shared/" + "x" * 32), 404)
    assert_problem(app.client.post("/shared/mix", json={"session_id": "x" * 32, "gains": {"vocals": 1}}), 404)
    assert app.client.get("/files/inputs/x/song?expires=1&signature=x").status_code == 403
    assert sum(app.sessions.store.counts().values()) == 0


def test_scripts_send_the_password_as_a_bearer_token(app: App) -> None:
    assert app.client.get("/models", headers=bearer(PASSWORD)).status_code == 200
    assert "unbraid_sessions" in app.client.get("/metrics", headers=bearer(PASSWORD)).text
    for wrong in ("x", PASSWORD + "x", PASSWORD[:-1], ""):
        assert_problem(app.client.get("/models", headers=bearer(wrong)), 401)
    assert_problem(app.client.get("/models", headers={"Authorization": "Basic eDp5"}), 401)
    with app.client.websocket_connect(EVENTS, headers=bearer(PASSWORD)) as socket:
        assert socket.receive_json()["status"] == "UNKNOWN"


def test_browsers_sign_in_by_the_form_and_sign_out(app: App) -> None:
    client = app.client
    sent = client.get("/", headers=BROWSER, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in")
    wrong = sign_in(client, "something else")
    assert (
        wrong.status_code == 401
        and "This password is wrong." in wrong.text
        and "set-cookie" not in wrong.headers
    )
    right = sign_in(client)
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={COOKIE_S}"} < set(cookie.split("; "))
    assert "Secure" not in cookie and PASSWORD not in cookie
    assert client.get("/config").json()["password"] is True
    assert client.get("/", headers=BROWSER).status_code == 200
    assert client.get("/sign-in", follow_redirects=False).headers["location"] == "/"
    with client.websocket_connect(EVENTS) as socket:
        assert socket.receive_json()["status"] == "UNKNOWN"
    assert client.post("/sign-out").status_code == 204
    assert COOKIE not in client.cookies
    assert_problem(client.get("/config"), 401)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(EVENTS):
        pass


def test_cookie_is_secure_over_https(app: App) -> None:
    secure = TestClient(app.client.app, base_url=ADDRESS.replace("http:", "https:"))
    assert "Secure" in sign_in(secure).headers["set-cookie"].split("; ")


def test_form_runs_no_script_and_loads_nothing(app: App) -> None:
    form = app.client.get("/sign-in")
    policy = dict(part.strip().split(" ", 1) for part in form.headers["content-security-policy"].split(";"))
    style = re.search(r"<style>(.*?)</style>", form.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert form.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|src=|href=|style=|\bon\w+=", PAGE)


def test_signed_links_work_without_the_password(app: App) -> None:
    sign_in(app.client)
    upload = app.create_upload()
    app.client.cookies.clear()
    app.put_song(upload, SONG)
    sign_in(app.client)
    assert app.process(upload).status_code == 202
    app.complete(upload)
    link = app.status(upload)["output_files"][0]["s3_url"]
    app.client.cookies.clear()
    assert app.client.get(link).status_code == 200
    assert app.client.get(link + "x").status_code == 403


def test_a_share_link_opens_its_song_and_nothing_else(
    app: App, write_wave: WriteWave, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "OCTETS", write_wave(app.settings.data / "stem.wav", 0.5).read_bytes())
    client, owner = app.client, {"X-Browser-Token": "m" * 32}
    sign_in(client)
    songs = []
    for name in ("Shared.mp3", "Secret.mp3"):
        upload = app.create_upload(name, **owner)
        app.put_song(upload)
        app.process(upload)
        app.complete(upload)
        songs.append(upload["sessionId"])
    own = {"session_id": songs[0]}
    share_id = client.post("/share", json=own, headers=owner).json()["share_id"]

    client.cookies.clear()
    assert client.get("/listen", headers=BROWSER, follow_redirects=False).status_code == 200
    shared = client.get(f"/shared/{share_id}").json()
    links = [shared["zip_url"]]
    for file in shared["output_files"]:
        links += [file["s3_url"], file["peaks_url"], file["play_url"]]
    mix = {"session_id": share_id, "gains": {"vocals": 0.5}, "format": shared["mix_formats"][0]}
    links.append(client.post("/shared/mix", json=mix).json()["s3_url"])
    assert [client.get(link).status_code for link in links] == [200] * 8
    for path in ("/", "/config", "/models", "/history", f"/status/{songs[0]}", f"/status/{share_id}"):
        assert_problem(client.get(path, headers=owner), 401)
    for path in (
        "/status",
        "/pieces",
        "/rename",
        "/keep",
        "/share",
        "/cancel",
        "/cleanup",
        "/process",
        "/mix",
    ):
        for one in (*songs, share_id):
            body = {"session_id": one, "sessionId": one, "name": "x", "gains": {"vocals": 1}}
            assert_problem(client.post(path, json=body, headers=owner), 401)
    for one in songs:  # the id of a session is no share link
        assert_problem(client.get(f"/shared/{one}"), 404)
        assert_problem(client.post("/shared/mix", json=mix | {"session_id": one}), 404)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(EVENTS):
        pass
    # A link to a file of the other song needs its own signature.
    other = links[1].replace(share_id, songs[1])
    assert other != links[1] and client.get(other).status_code == 403

    sign_in(client)
    assert client.post("/share", json=own | {"share": False}, headers=owner).status_code == 200
    client.cookies.clear()
    assert_problem(client.get(f"/shared/{share_id}"), 404)
    assert [client.get(link).status_code for link in links] == [404] * 8


def test_cookies_end_with_the_password_and_the_secret(open_app: OpenApp) -> None:
    before = open_app(token=PASSWORD)
    sign_in(before.client)
    cookie = before.client.cookies[COOKIE]

    def is_accepted(app: App) -> bool:
        app.client.cookies.set(COOKIE, cookie)
        return app.client.get("/config").status_code == 200

    assert is_accepted(open_app(token=PASSWORD))  # after a restart
    assert not is_accepted(open_app(token=PASSWORD + "!"))
    (before.settings.data / "secret").unlink()
    assert not is_accepted(open_app(token=PASSWORD))


def test_cookies_expire_and_cannot_be_changed() -> None:
    now = 1000.0
    password = SharedPassword(PASSWORD, b"s" * 32, lambda: now)
    cookie = password.cookie()
    expires, _, signature = cookie.partition(".")
    assert password.accepts(cookie)
    for forged in (
        "",
        ".",
        "x",
        f"{int(expires) + 1}.{signature}",
        f"{expires}.",
        cookie[:-1],
        f"{expires}.é",
    ):
        assert not password.accepts(forged)
    assert not SharedPassword(PASSWORD, b"t" * 32).accepts(cookie)
    now += COOKIE_S - 1
    assert password.accepts(cookie)
    now += 1
    assert not password.accepts(cookie)


def test_wrong_passwords_are_limited_for_each_client_and_in_total() -> None:
    now = 0.0
    password = SharedPassword(PASSWORD, b"s" * 32, steady_clock=lambda: now)
    assert [password.check("x", "a") for _ in range(CLIENT_BURST)] == [Refusal(0)] * CLIENT_BURST
    refusal = password.check(PASSWORD, "a")  # otherwise guessing could go on
    assert refusal is not None and refusal.wait_s == pytest.approx(30)
    assert password.check(PASSWORD, "b") is None
    now += 30
    assert password.check(PASSWORD, "a") is None
    for number in range(TOTAL_BURST):
        password.check("x", str(number))
    refusal = password.check(PASSWORD, "c")
    assert refusal is not None and 0 < refusal.wait_s <= 3


def test_too_many_wrong_passwords_are_429_and_right_ones_do_not_count(app: App) -> None:
    for _ in range(3 * CLIENT_BURST):
        assert app.client.get("/config", headers=bearer(PASSWORD)).status_code == 200
    for _ in range(CLIENT_BURST):
        assert app.client.get("/config", headers=bearer("wrong")).status_code == 401
    for answer in (sign_in(app.client), app.client.get("/config", headers=bearer(PASSWORD))):
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 30
        assert "Too many wrong passwords. Try again in" in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"password", b"password=%ff%00", b"\xff\xfe", b"&" * 100_000, b"a=1&" * 50, b"[]"]
)
def test_broken_forms_are_wrong_passwords(app: App, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert app.client.post("/sign-in", content=body, headers=headers).status_code == 401


def test_forms_of_accents_and_surrounding_spaces_do_not_matter(app: App) -> None:
    assert sign_in(app.client, " gru\u0308ne Katze im Garten\n").status_code == 303


def test_without_a_password_there_is_no_form(open_app: OpenApp) -> None:
    app = open_app()
    assert app.client.get("/sign-in").status_code == 404
    assert app.client.get("/config").json()["password"] is False


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"token": "short"}, "UNBRAID_TOKEN is invalid: a password needs at least 12 characters"),
        ({"token": "a          b"[:12] + " " * 9}, None),
        ({"token": "a" + " " * 20}, "at least 12 characters"),
        (
            {"token": PASSWORD, "oidc_issuer": "https://accounts.example.org", "oidc_client_id": "app"},
            "UNBRAID_TOKEN and UNBRAID_OIDC_ISSUER exclude each other",
        ),
        ({"token": PASSWORD, "origins": ["https://app.example.org"]}, "UNBRAID_ORIGINS can't sign in"),
        ({"host": "0.0.0.0"}, "Set a password in UNBRAID_TOKEN, .*UNBRAID_INSECURE=1"),
        ({"host": "0.0.0.0", "token": PASSWORD}, None),
    ],
)
def test_settings_of_the_password(settings: dict[str, object], message: str | None) -> None:
    if message is None:
        assert PASSWORD not in repr(Settings.load(**settings))
        return
    with pytest.raises(SettingError, match=message) as error:
        Settings.load(**settings)
    assert "\n" not in error.value.message
    assert str(settings.get("token")) not in error.value.message
