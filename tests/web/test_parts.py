"""Uploads in parts over HTTP: any order, interruptions, limits, links, and other users' sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from tests.folders import everything_in
from tests.web.conftest import SONG, App, OpenApp
from tests.web.test_files import stored_files
from tests.web.test_songs import assert_problem

from unbraid.web import files

PART = 500
COUNT = 5
assert PART * (COUNT - 1) < len(SONG) < PART * COUNT


@pytest.fixture
def app(open_app: OpenApp) -> App:
    return open_app(part_bytes=PART)


def begin(app: App, size: int = len(SONG)) -> dict[str, Any]:
    """POST /upload with the size, and return the answer."""
    body = {"fileName": "song.mp3", "fileType": "audio/mpeg", "fileSize": size}
    answer = app.client.post("/upload", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def call(app: App, path: str, upload: dict[str, Any]) -> Any:
    """POST with the session's id."""
    return app.client.post(path, json={"sessionId": upload["sessionId"]})


def parts(app: App, upload: dict[str, Any]) -> dict[str, Any]:
    """POST /upload/parts, and return the answer."""
    answer = call(app, "/upload/parts", upload)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def bytes_of(part: dict[str, Any]) -> bytes:
    """The bytes of a part of the song."""
    start = (part["number"] - 1) * PART
    return SONG[start : start + part["size"]]


def send(app: App, *links: dict[str, Any]) -> None:
    """PUT parts to their links."""
    for part in links:
        assert app.client.put(part["url"], content=bytes_of(part)).status_code == 200


def test_resumes_and_completes_an_upload_in_any_order(app: App) -> None:
    upload = begin(app)
    assert upload["partBytes"] == PART
    answer = parts(app, upload)
    assert answer.keys() == {"sessionId", "partBytes", "partCount", "uploaded", "parts", "expiresIn"}
    assert (answer["partBytes"], answer["partCount"], answer["uploaded"]) == (PART, COUNT, [])
    assert [part["number"] for part in answer["parts"]] == [1, 2, 3, 4, 5]
    send(app, answer["parts"][4], answer["parts"][1])
    answer = parts(app, upload)
    assert answer["uploaded"] == [2, 5]
    send(app, *reversed(answer["parts"]))
    assert parts(app, upload)["parts"] == []
    done = call(app, "/upload/complete", upload)
    assert (done.status_code, done.json()) == (
        200,
        {"sessionId": upload["sessionId"], "s3Key": upload["s3Key"]},
    )
    assert app.store.head(upload["s3Key"], len(SONG) + 1) == SONG
    assert stored_files(app) == ["song.mp3"]
    assert app.process(upload).status_code == 202


def test_part_continues_after_the_connection_breaks(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begin(app)
    first, *others = parts(app, upload)["parts"]
    with monkeypatch.context() as patch:

        async def breaks(_: Any) -> Any:
            yield SONG[:100]
            raise ClientDisconnect

        patch.setattr(files, "_chunks", breaks)
        assert_problem(app.client.put(first["url"], content=bytes_of(first)), 400)
    assert stored_files(app) == []
    assert parts(app, upload)["uploaded"] == []
    send(app, first, *others)
    assert call(app, "/upload/complete", upload).status_code == 200
    assert app.store.head(upload["s3Key"], len(SONG) + 1) == SONG


def test_upload_with_missing_parts_is_not_completed(app: App) -> None:
    upload = begin(app)
    assert_problem(call(app, "/upload/complete", upload), 409)
    first, _, *others = parts(app, upload)["parts"]
    send(app, first, *others)
    problem = assert_problem(call(app, "/upload/complete", upload), 409)
    assert problem["detail"].startswith("1 of 5 parts are missing, beginning with part 2.")
    assert_problem(app.process(upload), 409)
    send(app, *parts(app, upload)["parts"])
    assert call(app, "/upload/complete", upload).status_code == 200


def test_completing_twice_is_the_same(app: App) -> None:
    upload = begin(app)
    send(app, *parts(app, upload)["parts"])
    answers = [call(app, "/upload/complete", upload) for _ in range(2)]
    app.process(upload)
    answers.append(call(app, "/upload/complete", upload))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json() == answers[1].json() == answers[2].json()


def test_late_part_does_not_change_a_complete_song(app: App) -> None:
    upload = begin(app)
    links = parts(app, upload)["parts"]
    send(app, *links)
    call(app, "/upload/complete", upload)
    assert_problem(app.client.put(links[0]["url"], content=bytes(PART)), 409)
    assert app.store.head(upload["s3Key"], len(SONG) + 1) == SONG
    assert stored_files(app) == ["song.mp3"]


def test_link_takes_exactly_the_bytes_of_its_part(app: App) -> None:
    upload = begin(app)
    first = parts(app, upload)["parts"][0]

    def chunked(size: int) -> Iterator[bytes]:
        yield bytes(size)

    for body, status in (
        (bytes(PART + 1), 413),
        (bytes(PART - 1), 400),
        (b"", 400),
        (chunked(PART + 1), 413),
        (chunked(PART - 1), 400),
    ):
        problem = assert_problem(app.client.put(first["url"], content=body), status)
        assert str(PART) in problem["detail"]
    assert stored_files(app) == []


def test_small_file_takes_exactly_its_announced_size_in_one_piece(app: App) -> None:
    upload = begin(app, PART)
    assert upload["partBytes"] is None
    headers = {"Content-Type": "audio/mpeg"}
    for size, status in ((PART + 1, 413), (PART - 1, 400)):
        assert_problem(app.client.put(upload["uploadUrl"], content=bytes(size), headers=headers), status)
    app.put_song(upload, SONG[:PART])
    assert app.process(upload).status_code == 202


def test_too_large_file_is_refused_before_it_is_sent(open_app: OpenApp) -> None:
    app = open_app(max_bytes=1000, part_bytes=PART)
    body = {"fileName": "song.mp3", "fileType": "", "fileSize": 1001}
    problem = assert_problem(app.client.post("/upload", json=body), 413)
    assert problem["detail"] == "The file has 1001 bytes. The limit is 1000 bytes."
    assert_problem(app.client.post("/batch", json={"files": [body]}), 413)
    assert begin(app, 1000)["partBytes"] == PART


@pytest.mark.parametrize("size", [0, -1, 1.5, "x"])
def test_rejects_impossible_size(app: App, size: Any) -> None:
    body = {"fileName": "song.mp3", "fileType": "", "fileSize": size}
    assert_problem(app.client.post("/upload", json=body), 422)


def test_no_more_parts_than_announced_can_be_sent(app: App) -> None:
    upload = begin(app)
    last = parts(app, upload)["parts"][-1]
    for altered in (
        last["url"].replace("-5?", "-6?"),
        last["url"].replace("size=", "size=1"),
        last["url"].replace(upload["sessionId"], begin(app)["sessionId"]),
    ):
        assert altered != last["url"]
        assert_problem(app.client.put(altered, content=bytes_of(last)), 403)
    assert stored_files(app) == []


def test_expired_link_is_replaced_by_a_new_one(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(part_bytes=PART, link_s=60)
    upload = begin(app)
    first, second, *_ = parts(app, upload)["parts"]
    send(app, first)
    now = app.store.links._clock() + 61
    monkeypatch.setattr(app.store.links, "_clock", lambda: now)
    assert "expired" in assert_problem(app.client.put(second["url"], content=bytes_of(second)), 404)["detail"]
    answer = parts(app, upload)
    assert answer["uploaded"] == [1]
    send(app, *answer["parts"])
    assert call(app, "/upload/complete", upload).status_code == 200


@pytest.mark.parametrize("path", ["/upload/parts", "/upload/complete"])
def test_sessions_that_take_no_parts(app: App, path: str) -> None:
    assert_problem(call(app, path, {"sessionId": "x" * 32}), 404)
    assert_problem(call(app, path, app.create_upload()), 422)
    started = app.create_upload()
    app.put_song(started)
    app.process(started)
    assert_problem(call(app, path, started), 409)
    cancelled = begin(app)
    app.client.post("/cancel", json={"session_id": cancelled["sessionId"]})
    assert_problem(call(app, path, cancelled), 409)


def test_deleted_session_leaves_no_parts(app: App) -> None:
    upload = begin(app)
    first, second, *_ = parts(app, upload)["parts"]
    send(app, first)
    assert call(app, "/cleanup", upload).json() == {"deleted": 1}
    assert [name for name in everything_in(app.store.root) if name.count("/") > 0] == []
    assert_problem(app.client.put(second["url"], content=bytes_of(second)), 404)
    assert stored_files(app) == []


def test_parts_outlive_the_removal_of_unfinished_files(app: App) -> None:
    """The sweeper removes the temporary files of killed processes after an hour. A part waits for a day."""
    upload = begin(app)
    send(app, parts(app, upload)["parts"][0])
    app.store.clear_parts(older_than_s=-1)
    assert parts(app, upload)["uploaded"] == [1]


def test_large_song_needs_twice_its_size_only_while_it_is_joined(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begin(app)
    send(app, *parts(app, upload)["parts"])
    monkeypatch.setattr(app.store, "free_bytes", lambda: len(SONG) - 1)
    assert_problem(call(app, "/upload/complete", upload), 507)
    assert len(parts(app, upload)["uploaded"]) == COUNT
    monkeypatch.setattr(app.store, "free_bytes", lambda: len(SONG))
    assert call(app, "/upload/complete", upload).status_code == 200
