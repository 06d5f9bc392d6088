"""One song through the API: every field of the contract."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.folders import everything_in
from tests.web.conftest import ADDRESS, OCTETS, SONG, App, OpenApp

CONTRACT = {
    "session_id",
    "status",
    "progress",
    "eta_seconds",
    "output_files",
    "error_message",
}


def test_upload_process_status_cleanup(app: App) -> None:
    upload = app.create_upload("My Song.mp3")
    assert upload.keys() == {"sessionId", "uploadUrl", "s3Key", "expiresIn", "maxBytes", "partBytes"}
    assert len(upload["sessionId"]) >= 22  # 128 bits in base64
    assert upload["uploadUrl"].startswith(f"{ADDRESS}/files/inputs/")
    assert (upload["expiresIn"], upload["maxBytes"]) == (3600, 2**31)
    assert app.status(upload)["status"] == "AWAITING_UPLOAD"

    app.put_song(upload)
    answer = app.process(upload)
    assert answer.status_code == 202
    assert answer.json() == {"sessionId": upload["sessionId"], "status": "PENDING"}
    waiting = app.status(upload)
    assert waiting.keys() >= CONTRACT
    assert (waiting["status"], waiting["progress"], waiting["queue_position"]) == ("PENDING", 0.0, 1)
    assert waiting["output_files"] == []

    app.complete(upload)
    done = app.status(upload)
    assert (done["status"], done["progress"], done["error_message"]) == ("COMPLETED", 1.0, None)
    assert (done["file_name"], done["model"], done["duration"]) == ("My Song.mp3", "lite", 1.5)
    assert [file["type"] for file in done["output_files"]] == ["vocals", "no_vocals"]
    first = done["output_files"][0]
    assert first.keys() == {"type", "filename", "s3_url", "size", "duration", "peaks_url", "play_url", "from"}
    assert (first["filename"], first["size"], first["duration"]) == ("vocals.wav", len(OCTETS), 1.5)
    stem = app.client.get(first["s3_url"])
    assert stem.content == OCTETS
    assert stem.headers["content-type"] == "audio/wav"
    assert "My%20Song%20-%20vocals.wav" in stem.headers["content-disposition"]
    assert app.client.get(first["peaks_url"]).headers["content-type"] == "application/json"
    assert app.client.get(first["play_url"]).content == OCTETS

    deleted = app.client.post("/cleanup", json={"session_id": upload["sessionId"]})
    assert deleted.status_code == 200
    assert deleted.json()["deleted"] >= 7
    assert app.client.get(first["s3_url"]).status_code == 404
    assert [name for name in everything_in(app.store.root) if name.count("/") > 0] == []
    again = app.client.post("/cleanup", json={"sessionId": upload["sessionId"]})
    assert (again.status_code, again.json()) == (200, {"deleted": 0})


def test_status_by_path_equals_status_by_body(app: App) -> None:
    upload = app.create_upload()
    answer = app.client.get(f"/status/{upload['sessionId']}")
    assert answer.status_code == 200
    assert answer.json() == app.status(upload)


def test_repeated_process_starts_one_job(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    for choices in ({"stems": "all"}, {"stems": "all"}, {}):
        answer = app.process(upload, **choices)
        assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert app.process(upload, stems="drums").status_code == 409
    app.complete(upload)
    assert app.process(upload).json()["status"] == "COMPLETED"


def test_cancelled_song_can_be_processed_again(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    app.process(upload, format="mp3")
    for _ in range(2):
        answer = app.client.post("/cancel", json={"session_id": upload["sessionId"]})
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert app.process(upload).json()["status"] == "PENDING"
    assert app.status(upload)["format"] == "mp3"


def test_failed_song_has_error_message(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    app.process(upload)
    app.leases.begin(upload["sessionId"], "worker")
    app.leases.fail(upload["sessionId"], "worker", "the song breaks off after 3 seconds")
    failed = app.status(upload)
    assert (failed["status"], failed["error_message"]) == ("FAILED", "the song breaks off after 3 seconds")


REFUSALS: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("POST", "/status", {"session_id": "x" * 32}, 404),
    ("GET", "/status/" + "x" * 32, None, 404),
    ("POST", "/cancel", {"session_id": "x" * 32}, 404),
    ("POST", "/process", {"sessionId": "x" * 32, "s3Key": "inputs/x/song.mp3"}, 404),
    ("POST", "/upload", {"fileName": "a.pdf", "fileType": "application/pdf"}, 415),
    ("POST", "/upload", {"fileName": "a.mp3"}, 422),
    ("POST", "/upload", {"fileName": "", "fileType": ""}, 422),
    ("POST", "/upload", {"fileName": "a.mp3", "fileType": "a\nb"}, 422),
    ("POST", "/upload", {"fileName": "a.mp3", "fileType": 7}, 422),
    ("POST", "/status", {"session_id": "a\0b"}, 422),
    ("POST", "/status", {}, 422),
    ("GET", "/history?limit=0", None, 422),
    ("GET", "/history?before=nan", None, 422),
    ("GET", "/nothing/here", None, 404),
    ("GET", "/upload", None, 405),
    ("DELETE", "/status", None, 405),
    ("POST", "/", None, 405),
    ("GET", "/%00", None, 404),
    ("GET", "/a%00b/%ff%fe", None, 404),
    ("GET", "/" + "x" * 5000, None, 404),
    ("GET", "/assets/" + "x/" * 500, None, 404),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", None, 404),
    ("GET", "/status/%00", None, 422),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSALS)
def test_errors_are_problem_json(
    app: App, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    answer = app.client.request(method, path, json=body)
    assert_problem(answer, status)


def assert_problem(answer: Any, status: int) -> dict[str, Any]:
    """Check that an answer is problem+json (RFC 9457) with a one-line detail, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert re.fullmatch(r"[^\n]{10,300}", problem["detail"])
    return problem


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b"[" * 100_000, b"{'a': 1}"])
def test_body_that_is_not_an_object_is_400(app: App, body: bytes) -> None:
    answer = app.client.post("/upload", content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400)


def test_rejects_content_types_of_html_forms(app: App) -> None:
    body = b'{"fileName": "a.mp3", "fileType": ""}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert_problem(app.client.post("/upload", content=body, headers={"Content-Type": kind}), 400)


def test_lists_every_invalid_field(app: App) -> None:
    body = {"s3Key": "", "sessionId": "x", "format": "ogg", "video": "maybe"}
    problem = assert_problem(app.client.post("/process", json=body), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["#/format", "#/video", "#/s3Key"]
    assert all(error["detail"] for error in problem["errors"])


def test_explains_invalid_options(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    for choices, word in (
        ({"model": "no-such"}, "no-such"),
        ({"stems": "kazoo"}, "kazoo"),
        ({"notify": "a@example.org"}, "e-mail"),
    ):
        problem = assert_problem(app.process(upload, **choices), 422)
        assert word in problem["detail"]
        assert problem["errors"] == [{"pointer": f"#/{next(iter(choices))}", "detail": problem["detail"]}]
    assert app.status(upload)["status"] == "AWAITING_UPLOAD"


def test_cannot_process_before_upload(app: App) -> None:
    assert_problem(app.process(app.create_upload()), 409)


def test_rejects_uploaded_file_that_is_not_audio(app: App) -> None:
    for song in (b"%PDF-1.7" + bytes(500), b""):
        upload = app.create_upload()
        app.put_song(upload, song)
        assert_problem(app.process(upload), 415)


def test_rejects_key_of_another_session(app: App) -> None:
    one, other = app.create_upload(), app.create_upload()
    app.put_song(one)
    app.put_song(other)
    problem = assert_problem(app.process({**one, "s3Key": other["s3Key"]}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["#/s3Key"]


def test_any_file_name_is_kept_and_never_used_as_path(app: App) -> None:
    for name in (
        "Für Elise – „live“ 🎹.mp3",
        "../../etc/passwd",
        "C:\\fakepath\\song.mp3",
        "a\u202eb.mp3",
        "." * 300,
    ):
        upload = app.create_upload(name)
        assert re.fullmatch(r"inputs/[\w-]{32}/song(\.[a-z0-9]+)?", upload["s3Key"], re.ASCII)
        shown = app.status(upload)["file_name"]
        assert "/" not in shown
        assert "\\" not in shown
    assert (
        app.status(app.create_upload("Für Elise – „live“ 🎹.mp3"))["file_name"] == "Für Elise – „live“ 🎹.mp3"
    )


def test_rejects_lone_surrogate(app: App) -> None:
    body = b'{"fileName": "\\ud800.mp3", "fileType": ""}'
    assert_problem(
        app.client.post("/upload", content=body, headers={"Content-Type": "application/json"}), 422
    )


def test_history_lists_songs_of_the_browser_token(app: App) -> None:
    mine, theirs = {"X-Browser-Token": "m" * 32}, {"X-Browser-Token": "t" * 32}
    ids = [app.create_upload(f"{number}.mp3", **mine)["sessionId"] for number in range(3)]
    app.create_upload("theirs.mp3", **theirs)
    app.create_upload("without-owner.mp3")
    seen = app.client.get("/history", headers=mine).json()["sessions"]
    assert [one["session_id"] for one in seen] == ids[::-1]
    page = app.client.get("/history", params={"limit": 2}, headers=mine).json()["sessions"]
    rest = app.client.get("/history", params={"before": page[-1]["created_at"]}, headers=mine).json()[
        "sessions"
    ]
    assert [one["session_id"] for one in page + rest] == ids[::-1]
    assert app.client.get("/history").json() == {"sessions": []}
    assert app.client.get("/history", headers={"X-Browser-Token": "short"}).json() == {"sessions": []}
    assert "m" * 32 not in repr(app.service.get(ids[0]))


def test_links_begin_with_the_public_url(open_app: OpenApp) -> None:
    app = open_app(public_url="https://music.example.org")
    assert app.create_upload()["uploadUrl"].startswith("https://music.example.org/files/inputs/")
    answer = app.client.get("/healthz", headers={"Host": "music.example.org"})
    assert answer.status_code == 200
    assert "max-age=" in answer.headers["strict-transport-security"]


def test_second_upload_replaces_the_first_before_start(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload, SONG[:100])
    app.put_song(upload, SONG)
    assert app.store.size(upload["s3Key"]) == len(SONG)
