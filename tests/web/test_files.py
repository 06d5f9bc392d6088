"""Signed links: songs in, stems out, in ranges and archives; nothing half, nothing too large, nothing of others."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.conftest import OCTETS, SONG, App, Open
from tests.web.test_songs import assert_problem

from unbraid.web import files


def left(app: App) -> list[str]:
    """Files below the folder of objects."""
    return [path.name for path in app.store.root.rglob("*") if path.is_file()]


def link(app: App, upload: dict[str, Any], stem: int = 0) -> str:
    """Of a stem."""
    return str(app.status(upload)["output_files"][stem]["s3_url"])


# Uploads


def test_the_type_has_to_be_as_announced(app: App) -> None:
    upload = app.begin(kind="audio/mpeg")
    for headers in ({"Content-Type": "audio/wav"}, {"Content-Type": "audio/mpeg; charset=x"}, {}):
        assert_problem(app.client.put(upload["uploadUrl"], content=SONG, headers=headers), 415)
    assert left(app) == []


@pytest.mark.parametrize("sent", [{}, {"Content-Type": ""}, {"Content-Type": "application/octet-stream"}])
def test_a_file_of_unknown_type_may_come_as_any(app: App, sent: dict[str, str]) -> None:
    upload = app.begin(kind="")
    assert app.client.put(upload["uploadUrl"], content=SONG, headers=sent).status_code == 200
    assert left(app) == ["song.mp3"]


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length nobody says beforehand."""
    for _ in range(size // 100):
        yield bytes(100)


def test_what_says_that_it_is_too_large_is_refused_before_it_is_read(open_app: Open) -> None:
    app = open_app(max_bytes=1000)
    upload = app.begin(kind="")
    problem = assert_problem(app.client.put(upload["uploadUrl"], content=bytes(1001)), 413)
    assert "too large" in problem["detail"]
    assert left(app) == []
    assert app.client.put(upload["uploadUrl"], content=bytes(1000)).status_code == 200


def test_what_turns_out_too_large_is_refused_while_it_comes(open_app: Open) -> None:
    app = open_app(max_bytes=1000)
    upload = app.begin(kind="")
    assert_problem(app.client.put(upload["uploadUrl"], content=pieces(1100)), 413)
    assert left(app) == []
    assert app.client.put(upload["uploadUrl"], content=pieces(1000)).status_code == 200


def test_a_disk_that_has_become_full_is_told_and_left_as_it_was(tiny_disk: Path, open_app: Open) -> None:
    app = open_app(data=tiny_disk / "data")
    upload = app.begin(kind="")
    assert_problem(app.client.put(upload["uploadUrl"], content=bytes(600_000)), 507)
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(app.store.free_bytes() - 50_000))
    assert_problem(app.client.put(upload["uploadUrl"], content=bytes(100_000)), 507)
    # and one that doesn't say beforehand how much it is
    assert_problem(app.client.put(upload["uploadUrl"], content=pieces(100_000)), 507)
    assert left(app) == []
    assert app.client.put(upload["uploadUrl"], content=bytes(10_000)).status_code == 200


def test_a_disk_without_room_for_stems_takes_no_songs(open_app: Open) -> None:
    app = open_app(keep_free_bytes=2**60)
    assert_problem(app.client.post("/upload", json={"fileName": "a.mp3", "fileType": ""}), 507)


def test_a_song_that_is_being_worked_on_can_not_be_replaced(app: App) -> None:
    upload = app.begin(kind="")
    app.send(upload)
    app.ask(upload)
    assert_problem(app.client.put(upload["uploadUrl"], content=b"other"), 409)
    assert app.store.head(upload["s3Key"], 3) == SONG[:3]


def test_a_song_deleted_before_it_was_sent_stays_deleted(app: App) -> None:
    upload = app.begin(kind="")
    app.client.post("/cleanup", json={"session_id": upload["sessionId"]})
    assert_problem(app.client.put(upload["uploadUrl"], content=SONG), 404)
    assert left(app) == []


def test_a_song_deleted_while_it_was_sent_stays_deleted(app: App) -> None:
    upload = app.begin(kind="")

    def song() -> Iterator[bytes]:
        yield bytes(files.BLOCK)
        app.service.cleanup(upload["sessionId"])
        yield SONG

    assert_problem(app.client.put(upload["uploadUrl"], content=song()), 404)
    assert left(app) == []


def test_many_uploads_together_leave_the_room_that_stems_need(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = app.begin(kind="")
    free = files.BLOCK  # which others take meanwhile
    monkeypatch.setattr(app.store, "free_bytes", lambda: free)

    def song() -> Iterator[bytes]:
        nonlocal free
        for _ in range(2):
            yield bytes(files.BLOCK)
            free = 0

    assert_problem(app.client.put(upload["uploadUrl"], content=song()), 507)
    assert left(app) == []


@pytest.mark.parametrize("drop", [b"", b"x"], ids=["nothing", "drops"])
def test_an_upload_that_stands_still_is_given_up(
    app: App, monkeypatch: pytest.MonkeyPatch, drop: bytes
) -> None:
    """Bytes that come one by one are no sign of life."""
    monkeypatch.setattr(files, "IDLE_S", 0.05)
    path, _, query = app.begin(kind="")["uploadUrl"].partition(":8000")[2].partition("?")
    scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
    }
    scope |= {
        "headers": [(b"host", b"127.0.0.1")],
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "root_path": "",
    }
    sent: list[dict[str, Any]] = []
    some = iter([{"type": "http.request", "body": SONG, "more_body": True}])

    async def receive() -> Any:
        await asyncio.sleep(0.01 if drop else 0)
        more = {"type": "http.request", "body": drop, "more_body": True} if drop else None
        return next(some, more) or await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(app.client.app(scope, receive, send), 10))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    assert left(app) == []


# Links


def test_a_link_works_for_its_time_alone(open_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(link_s=60)
    upload = app.done()
    address, other = link(app, upload), app.begin(kind="")
    assert app.client.get(address).status_code == 200
    now = app.store.links._clock() + 61
    monkeypatch.setattr(app.store.links, "_clock", lambda: now)
    assert "expired" in assert_problem(app.client.get(address), 404)["detail"]
    assert_problem(app.client.put(other["uploadUrl"], content=SONG), 404)


def test_an_altered_link_is_refused(app: App) -> None:
    upload, other = app.done(), app.done()
    address = link(app, upload)
    bare = address.partition("?")[0]
    for altered in (
        bare,
        address + "x",
        address.replace("expires=1", "expires=2"),
        address.replace(upload["sessionId"], other["sessionId"]),
        address.replace("vocals", "no_vocals", 1),
        address + "&name=other.exe",
        address.replace("name=", "nome="),
    ):
        assert altered != address
        assert_problem(app.client.get(altered), 403)
    assert_problem(app.client.put(address, content=SONG), 403)
    assert_problem(app.client.get(upload["uploadUrl"]), 403)


@pytest.mark.parametrize(
    "key",
    [
        "%2e%2e/secret",
        "..%2fsecret",
        "/etc/passwd",
        "inputs/a/%00",
        "zips/x",
        "zips",
    ],
)
def test_no_link_leads_out_of_the_folder(app: App, key: str) -> None:
    for method in ("GET", "PUT"):
        answer = app.client.request(method, f"/files/{key}")
        assert answer.status_code in (403, 404)
    # Even with a signature of ours, which nobody but us could make.
    answer = app.client.get(app.store.links.download("../secret", 60))
    assert_problem(answer, 404)
    assert_problem(app.client.get(app.store.links.download("zips", 60)), 404)


# Downloads


@pytest.mark.parametrize(
    ("asked", "status", "first", "end"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, len(OCTETS)),
        ("bytes=-50", 206, len(OCTETS) - 50, len(OCTETS)),
        ("bytes=500-999999", 206, 500, len(OCTETS)),
    ],
)
def test_stems_are_given_in_ranges(app: App, asked: str, status: int, first: int, end: int) -> None:
    answer = app.client.get(link(app, app.done()), headers={"Range": asked})
    assert answer.status_code == status
    assert answer.content == OCTETS[first:end]
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(OCTETS)}"


def test_a_range_beyond_the_end_is_refused(app: App) -> None:
    answer = app.client.get(link(app, app.done()), headers={"Range": f"bytes={len(OCTETS)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(OCTETS)}"


def test_a_range_counts_only_for_the_file_it_was_meant_for(app: App) -> None:
    address = link(app, app.done())
    etag = app.client.head(address).headers["etag"]
    same = app.client.get(address, headers={"Range": "bytes=0-9", "If-Range": etag})
    assert (same.status_code, len(same.content)) == (206, 10)
    other = app.client.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, OCTETS)


def test_head_tells_the_size(app: App) -> None:
    upload = app.done()
    for address in (link(app, upload), app.status(upload)["zip_url"]):
        whole = app.client.get(address)
        head = app.client.head(address)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))


def test_all_stems_come_in_one_archive(app: App) -> None:
    app.names = ["drums", "vocals"]
    upload = app.done("Für Elise.mp3")
    answer = app.client.get(app.status(upload)["zip_url"])
    assert answer.headers["content-type"] == "application/zip"
    assert "F%C3%BCr%20Elise%20-%20stems.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["Für Elise/drums.wav", "Für Elise/vocals.wav"]
        assert archive.read("Für Elise/drums.wav") == OCTETS


def test_there_is_no_archive_before_the_end_nor_after_the_deletion(app: App) -> None:
    assert app.status(app.begin())["zip_url"] is None
    upload = app.done()
    address = app.status(upload)["zip_url"]
    app.client.post("/cleanup", json={"session_id": upload["sessionId"]})
    assert_problem(app.client.get(address), 404)


def test_a_stem_deleted_on_its_way_is_not_a_fault(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = app.done()
    address = link(app, upload)
    real = Path.stat

    def stat_then_delete(path: Path, **options: Any) -> Any:
        found = real(path, **options)
        if path.name == "vocals.wav":
            path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", stat_then_delete)
    answer = app.client.get(address)  # the head of the answer has gone out: all that is left is to end it
    assert (answer.status_code, answer.content) == (200, b"")
    assert "unbraid_http_faults_total 0.0" in app.client.get("/metrics").text


def test_what_came_from_users_is_never_a_page(app: App) -> None:
    answer = app.client.get(link(app, app.done()))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    # whatever page has the link may play from it
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
