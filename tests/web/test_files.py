"""Uploads and downloads by signed link: limits, ranges, archives, expiry."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.conftest import OCTETS, SONG, App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.web import files


def stored_files(app: App) -> list[str]:
    """Names of the files in the object store."""
    return [path.name for path in app.store.root.rglob("*") if path.is_file()]


def link(app: App, upload: dict[str, Any], stem: int = 0) -> str:
    """Link to a stem."""
    return str(app.status(upload)["output_files"][stem]["s3_url"])


# Uploads


def test_rejects_upload_of_another_type(app: App) -> None:
    upload = app.create_upload(kind="audio/mpeg")
    for headers in ({"Content-Type": "audio/wav"}, {"Content-Type": "audio/mpeg; charset=x"}, {}):
        assert_problem(app.client.put(upload["uploadUrl"], content=SONG, headers=headers), 415)
    assert stored_files(app) == []


@pytest.mark.parametrize("sent", [{}, {"Content-Type": ""}, {"Content-Type": "application/octet-stream"}])
def test_upload_of_unknown_type_takes_any_type(app: App, sent: dict[str, str]) -> None:
    upload = app.create_upload(kind="")
    assert app.client.put(upload["uploadUrl"], content=SONG, headers=sent).status_code == 200
    assert stored_files(app) == ["song.mp3"]


def chunks(size: int) -> Iterator[bytes]:
    """A body without Content-Length."""
    for _ in range(size // 100):
        yield bytes(100)


def test_rejects_too_large_content_length_before_reading(open_app: OpenApp) -> None:
    app = open_app(max_bytes=1000)
    upload = app.create_upload(kind="")
    problem = assert_problem(app.client.put(upload["uploadUrl"], content=bytes(1001)), 413)
    assert "too large" in problem["detail"]
    assert stored_files(app) == []
    assert app.client.put(upload["uploadUrl"], content=bytes(1000)).status_code == 200


def test_rejects_too_large_body_without_content_length(open_app: OpenApp) -> None:
    app = open_app(max_bytes=1000)
    upload = app.create_upload(kind="")
    assert_problem(app.client.put(upload["uploadUrl"], content=chunks(1100)), 413)
    assert stored_files(app) == []
    assert app.client.put(upload["uploadUrl"], content=chunks(1000)).status_code == 200


def test_full_disk_refuses_upload_and_leaves_no_file(tiny_disk: Path, open_app: OpenApp) -> None:
    app = open_app(data=tiny_disk / "data")
    upload = app.create_upload(kind="")
    assert_problem(app.client.put(upload["uploadUrl"], content=bytes(600_000)), 507)
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(app.store.free_bytes() - 50_000))
    assert_problem(app.client.put(upload["uploadUrl"], content=bytes(100_000)), 507)
    # also without Content-Length
    assert_problem(app.client.put(upload["uploadUrl"], content=chunks(100_000)), 507)
    assert stored_files(app) == []
    assert app.client.put(upload["uploadUrl"], content=bytes(10_000)).status_code == 200


def test_refuses_upload_when_no_space_for_stems_is_left(open_app: OpenApp) -> None:
    app = open_app(keep_free_bytes=2**60)
    assert_problem(app.client.post("/upload", json={"fileName": "a.mp3", "fileType": ""}), 507)


def test_cannot_replace_song_in_work(app: App) -> None:
    upload = app.create_upload(kind="")
    app.put_song(upload)
    app.process(upload)
    assert_problem(app.client.put(upload["uploadUrl"], content=b"other"), 409)
    assert app.store.head(upload["s3Key"], 3) == SONG[:3]


def test_cannot_upload_to_deleted_session(app: App) -> None:
    upload = app.create_upload(kind="")
    app.client.post("/cleanup", json={"session_id": upload["sessionId"]})
    assert_problem(app.client.put(upload["uploadUrl"], content=SONG), 404)
    assert stored_files(app) == []


def test_session_deleted_during_upload_stays_deleted(app: App) -> None:
    upload = app.create_upload(kind="")

    def song() -> Iterator[bytes]:
        yield bytes(files.BLOCK)
        app.service.cleanup(upload["sessionId"])
        yield SONG

    assert_problem(app.client.put(upload["uploadUrl"], content=song()), 404)
    assert stored_files(app) == []


def test_concurrent_uploads_leave_space_for_stems(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = app.create_upload(kind="")
    free = files.BLOCK  # other uploads use up this space meanwhile
    monkeypatch.setattr(app.store, "free_bytes", lambda: free)

    def song() -> Iterator[bytes]:
        nonlocal free
        for _ in range(2):
            yield bytes(files.BLOCK)
            free = 0

    assert_problem(app.client.put(upload["uploadUrl"], content=song()), 507)
    assert stored_files(app) == []


@pytest.mark.parametrize("drop", [b"", b"x"], ids=["silence", "single bytes"])
@pytest.mark.parametrize("of", ["song", "stem to learn from"])
def test_aborts_stalled_upload(app: App, monkeypatch: pytest.MonkeyPatch, of: str, drop: bytes) -> None:
    """Single bytes don't reset the timeout."""
    monkeypatch.setattr(files, "IDLE_S", 0.05)
    link = (
        app.create_upload(kind="")["uploadUrl"] if of == "song" else ":8000/teaching/stems?path=One/bass.wav"
    )
    path, _, query = link.partition(":8000")[2].partition("?")
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
    assert stored_files(app) == []


# Links


def test_link_expires(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app(link_s=60)
    upload = app.completed()
    address, other = link(app, upload), app.create_upload(kind="")
    assert app.client.get(address).status_code == 200
    now = app.store.links._clock() + 61
    monkeypatch.setattr(app.store.links, "_clock", lambda: now)
    assert "expired" in assert_problem(app.client.get(address), 404)["detail"]
    assert_problem(app.client.put(other["uploadUrl"], content=SONG), 404)


def test_rejects_altered_link(app: App) -> None:
    upload, other = app.completed(), app.completed()
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
def test_links_cannot_leave_the_folder(app: App, key: str) -> None:
    for method in ("GET", "PUT"):
        answer = app.client.request(method, f"/files/{key}")
        assert answer.status_code in (403, 404)
    # Even with a valid signature.
    answer = app.client.get(app.store.links.download("../secret", 60))
    assert_problem(answer, 404)
    assert_problem(app.client.get(app.store.links.download("zips", 60)), 404)


# Downloads


@pytest.mark.parametrize(
    ("range_", "status", "first", "end"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, len(OCTETS)),
        ("bytes=-50", 206, len(OCTETS) - 50, len(OCTETS)),
        ("bytes=500-999999", 206, 500, len(OCTETS)),
    ],
)
def test_downloads_ranges(app_on_any_store: App, range_: str, status: int, first: int, end: int) -> None:
    app = app_on_any_store
    answer = app.client.get(link(app, app.completed()), headers={"Range": range_})
    assert answer.status_code == status
    assert answer.content == OCTETS[first:end]
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(OCTETS)}"


def test_rejects_range_beyond_the_end(app_on_any_store: App) -> None:
    app = app_on_any_store
    answer = app.client.get(link(app, app.completed()), headers={"Range": f"bytes={len(OCTETS)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(OCTETS)}"


def test_if_range_compares_the_etag(app_on_any_store: App) -> None:
    app = app_on_any_store
    address = link(app, app.completed())
    etag = app.client.head(address).headers["etag"]
    same = app.client.get(address, headers={"Range": "bytes=0-9", "If-Range": etag})
    assert (same.status_code, len(same.content)) == (206, 10)
    other = app.client.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, OCTETS)


def test_head_has_content_length(app_on_any_store: App) -> None:
    app = app_on_any_store
    upload = app.completed()
    for address in (link(app, upload), app.status(upload)["zip_url"]):
        whole = app.client.get(address)
        head = app.client.head(address)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))


def test_archive_has_all_stems(app_on_any_store: App) -> None:
    app = app_on_any_store
    app.names = ["drums", "vocals"]
    upload = app.completed("Für Elise.mp3")
    answer = app.client.get(app.status(upload)["zip_url"])
    assert answer.headers["content-type"] == "application/zip"
    assert "F%C3%BCr%20Elise%20-%20stems.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["Für Elise/drums.wav", "Für Elise/vocals.wav"]
        assert archive.read("Für Elise/drums.wav") == OCTETS


def test_archive_exists_only_between_completion_and_deletion(app_on_any_store: App) -> None:
    app = app_on_any_store
    assert app.status(app.create_upload())["zip_url"] is None
    upload = app.completed()
    address = app.status(upload)["zip_url"]
    app.client.post("/cleanup", json={"session_id": upload["sessionId"]})
    assert_problem(app.client.get(address), 404)


def test_stem_deleted_during_download_is_no_internal_error(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = app.completed()
    address = link(app, upload)
    real = Path.stat

    def stat_then_delete(path: Path, **options: Any) -> Any:
        stat_result = real(path, **options)
        if path.name == "vocals.wav":
            path.unlink()
        return stat_result

    monkeypatch.setattr(Path, "stat", stat_then_delete)
    answer = app.client.get(
        address
    )  # the headers have been sent, so the server can only close the connection
    assert (answer.status_code, answer.content) == (200, b"")
    assert "unbraid_http_faults_total 0.0" in app.client.get("/metrics").text


def test_user_files_are_never_rendered_as_pages(app: App) -> None:
    answer = app.client.get(link(app, app.completed()))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    # a page of any origin that has the link may play the file
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
