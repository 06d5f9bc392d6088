"""Names, kept songs and share links over HTTP."""

from __future__ import annotations

import io
import logging
import zipfile
from typing import Any

import pytest
from tests.conftest import WriteWave
from tests.web import conftest
from tests.web.conftest import App
from tests.web.test_songs import assert_problem

OWNER = {"X-Browser-Token": "m" * 32}


@pytest.fixture
def song(app: App, write_wave: WriteWave, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a completed song of OWNER with two stems."""
    monkeypatch.setattr(conftest, "OCTETS", write_wave(app.settings.data / "stem.wav", 0.5).read_bytes())
    upload = app.create_upload("My Song.mp3", **OWNER)
    app.put_song(upload)
    app.process(upload)
    app.complete(upload)
    return str(upload["sessionId"])


def post(app: App, path: str, expected: int = 200, **body: Any) -> Any:
    answer = app.client.post(path, json=body, headers=OWNER)
    assert answer.status_code == expected, answer.text
    return answer.json()


def test_a_guest_listens_mixes_and_downloads_but_cannot_delete(
    app: App, song: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    share_id = post(app, "/share", session_id=song)["share_id"]
    guest = app.client
    shared = guest.get(f"/shared/{share_id}").json()
    assert [file["type"] for file in shared["output_files"]] == ["vocals", "no_vocals"]
    for file in shared["output_files"]:
        for link in (file["s3_url"], file["peaks_url"], file["play_url"]):
            assert guest.get(link).content == conftest.OCTETS
    archive = zipfile.ZipFile(io.BytesIO(guest.get(shared["zip_url"]).content))
    assert archive.namelist() == ["My Song/vocals.wav", "My Song/no_vocals.wav"]
    mix = {"session_id": share_id, "gains": {"vocals": 0.5}}
    mixed = guest.post("/shared/mix", json=mix).json()
    assert guest.get(mixed["s3_url"]).status_code == 200
    assert song not in f"{shared}{mixed}"
    assert_problem(guest.post("/mix", json=mix), 404)
    assert_problem(guest.post("/shared/mix", json={**mix, "session_id": song}), 404)
    assert guest.post("/cleanup", json={"session_id": share_id}).json() == {"deleted": 0}
    with guest.websocket_connect(f"ws://127.0.0.1:8000/events?session_id={share_id}") as socket:
        assert socket.receive_json()["status"] == "UNKNOWN"
    logged = [str(vars(record)) for record in caplog.records if record.name.startswith("unbraid")]
    assert len(logged) > 5
    assert not any(share_id in one or song in one for one in logged)
    # Links that the guest has kept end with the share link.
    post(app, "/share", session_id=song, share=False)
    assert_problem(guest.get(f"/shared/{share_id}"), 404)
    assert_problem(guest.get(shared["output_files"][0]["s3_url"]), 404)
    assert_problem(guest.get(mixed["s3_url"]), 404)
    assert app.client.get(f"/status/{song}").json()["share_id"] is None


def test_a_shared_song_counts_as_one_in_the_metrics(app: App, song: str) -> None:
    post(app, "/share", session_id=song)
    assert 'unbraid_sessions{state="COMPLETED"} 1.0' in app.client.get("/metrics").text


def test_name_and_keeping_are_the_same_in_another_browser_of_the_owner(app: App, song: str) -> None:
    post(app, "/rename", session_id=song, name="Für Elise")
    post(app, "/keep", session_id=song)
    (listed,) = app.client.get("/history", headers=OWNER).json()["sessions"]
    assert (listed["file_name"], listed["kept"]) == ("Für Elise.mp3", True)
    file = app.client.get(listed["output_files"][0]["s3_url"])
    assert "F%C3%BCr%20Elise%20-%20vocals.wav" in file.headers["content-disposition"]
    assert app.client.get(listed["output_files"][0]["play_url"]).content == conftest.OCTETS
    before = sum(path.stat().st_nlink == 1 for path in app.store.root.glob("kept/*/*"))
    assert before == 0  # the copies take no space
    assert post(app, "/keep", session_id=song, keep=False)["kept"] is False


def test_a_video_has_a_link_for_its_picture(app: App) -> None:
    upload = app.create_upload("clip.mp4", "video/mp4")
    app.put_song(upload, kind="video/mp4")
    app.process(upload)
    assert app.status(upload)["video_url"] is None
    app.complete(upload)
    link = app.status(upload)["video_url"]
    assert app.client.get(link, headers={"Range": "bytes=0-2"}).content == conftest.SONG[:3]
