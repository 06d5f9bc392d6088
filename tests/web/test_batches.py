"""Many songs in one call."""

from __future__ import annotations

from tests.web.conftest import SONG, App
from tests.web.test_songs import assert_problem


def test_batch_upload_process_and_status(app: App) -> None:
    files = [{"fileName": f"{number}.mp3", "fileType": "audio/mpeg"} for number in range(3)]
    answer = app.client.post("/batch", json={"files": files})
    assert answer.status_code == 200
    batch = answer.json()
    uploads = batch["uploads"]
    ids = [upload["sessionId"] for upload in uploads]
    assert len(set(ids)) == 3
    for upload in uploads[:2]:
        app.put_song(upload, SONG)

    unknown = "x" * 32
    answer = app.client.post("/batch/process", json={"sessionIds": [*ids, unknown], "stems": "all"})
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [result["sessionId"] for result in results] == [*ids, unknown]
    assert [result.get("status") for result in results] == ["PENDING", "PENDING", None, None]
    assert [result["problem"]["status"] for result in results[2:]] == [409, 404]
    assert all(result["problem"]["detail"] for result in results[2:])

    answer = app.client.post("/batch/status", json={"session_ids": [unknown, *ids]})
    assert answer.status_code == 200
    sessions = answer.json()["sessions"]
    assert sessions[0] == {"session_id": unknown, "status": "UNKNOWN"}
    assert [one["session_id"] for one in sessions[1:]] == ids
    assert [one["queue_position"] for one in sessions[1:]] == [1, 2, None]
    assert {one["batch_id"] for one in sessions[1:]} == {batch["batchId"]}
    assert {one["stems"] for one in sessions[1:3]} == {"all"}


def test_one_refused_file_refuses_the_batch(app: App) -> None:
    files = [
        {"fileName": "a.mp3", "fileType": "audio/mpeg"},
        {"fileName": "b.pdf", "fileType": "application/pdf"},
    ]
    problem = assert_problem(app.client.post("/batch", json={"files": files}), 415)
    assert "b.pdf" in problem["detail"]
    assert sum(app.sessions.store.counts().values()) == 0


def test_invalid_options_start_no_song(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    answer = app.client.post("/batch/process", json={"sessionIds": [upload["sessionId"]], "format": "ogg"})
    assert_problem(answer, 422)
    assert app.status(upload)["status"] == "AWAITING_UPLOAD"
