"""The web app with its files in an S3-compatible store; `test_files` has more on downloads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.conftest import WriteWave
from tests.local.workspace import Workspace
from tests.simulators.moto_server import new_bucket
from tests.simulators.relay import Answer, Call, passed_on, server
from tests.web.conftest import OCTETS, SONG, App, OpenApp

from unbraid.errors import SettingError
from unbraid.jobs.session import State
from unbraid.jobs.sweeper import Sweeper
from unbraid.local.settings import Settings


@pytest.fixture
def bucket(aws: str) -> str:
    return new_bucket()


@pytest.fixture
def app(open_app: OpenApp, bucket: str) -> App:
    return open_app(store=f"s3://{bucket}/home")


def keys(bucket: str) -> list[str]:
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sorted(file["Key"] for page in pages for file in page.get("Contents", []))


def test_files_are_only_in_the_bucket_until_they_are_deleted(app: App, bucket: str) -> None:
    upload = app.completed()
    assert len(keys(bucket)) == 1 + 2 * 3
    assert all(key.startswith("home/") for key in keys(bucket))
    status = app.status(upload)
    for file in status["output_files"]:
        assert app.client.get(file["s3_url"]).content == OCTETS
        assert app.client.get(file["play_url"]).content == OCTETS
    deleted = app.client.post("/cleanup", json={"session_id": upload["sessionId"]}).json()["deleted"]
    assert deleted == 1 + 1 + 2 * 3  # the record, too
    assert keys(bucket) == []
    assert [path for path in app.settings.data.rglob("*") if path.is_file() and "db" not in path.name] == [
        app.settings.secret
    ]


def test_refused_uploads_store_nothing(app: App, bucket: str) -> None:
    upload = app.create_upload()
    other = {"Content-Type": "text/html"}
    assert app.client.put(upload["uploadUrl"], content=SONG, headers=other).status_code == 415
    assert app.client.put(upload["uploadUrl"].replace("song", "sing"), content=SONG).status_code == 403
    assert app.process(upload).status_code == 409
    assert keys(bucket) == []
    assert not any(app.settings.data.glob("scratch/*"))


def test_large_song_arrives_in_parts(app: App, bucket: str) -> None:
    song = SONG + bytes(range(256)) * (9 << 12)
    body = {"fileName": "song.mp3", "fileType": "audio/mpeg", "fileSize": len(song)}
    upload = app.client.post("/upload", json=body).json()
    session = {"sessionId": upload["sessionId"]}
    first, second = app.client.post("/upload/parts", json=session).json()["parts"]
    for part, content in ((second, song[first["size"] :]), (first, song[: first["size"]])):
        assert app.client.put(part["url"], content=content).status_code == 200
    assert app.client.post("/upload/complete", json=session).status_code == 200
    assert keys(bucket) == [f"home/{upload['s3Key']}"]
    with app.store.local_file(upload["s3Key"]) as file:
        assert file.read_bytes() == song


def test_expired_songs_and_forgotten_parts_disappear(app: App, bucket: str) -> None:
    upload = app.completed()
    key = f"inputs/{upload['sessionId']}/late.wav"
    client = boto3.client("s3")
    client.create_multipart_upload(Bucket=bucket, Key=f"home/{key}")  # of a worker that was killed
    client.create_multipart_upload(Bucket=bucket, Key="other/program")
    assert app.store.clear_parts(older_than_s=-60) == 1
    app.sessions.clock = lambda: 1e11
    assert Sweeper(app.sessions).sweep().sessions == 1
    app.store.put(write(app.settings.data / "orphan"), key, "audio/wav")
    assert Sweeper(app.sessions).sweep().orphans == 1
    assert keys(bucket) == []


def write(path: Path) -> Path:
    path.write_bytes(SONG)
    return path


def test_worker_separates_a_song_of_the_bucket_and_it_can_be_mixed(
    open_app: OpenApp, bucket: str, tmp_path: Path, write_wave: WriteWave
) -> None:
    location = f"s3://{bucket}/home"
    workspace = Workspace(tmp_path, store=location)
    session_id = workspace.add_song(write_wave(tmp_path / "song.wav", 2.0))
    worker = workspace.start_worker()
    try:
        workspace.wait_for(session_id, State.COMPLETED)
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
    app = open_app(store=location)
    body: dict[str, Any] = {"session_id": session_id, "gains": {"vocals": 0.5}, "format": "flac"}
    mixes = [app.client.post("/mix", json=body).json() for _ in range(2)]
    assert app.client.get(mixes[0]["s3_url"]).content.startswith(b"fLaC")
    assert mixes[0]["s3_url"].partition("?")[0] == mixes[1]["s3_url"].partition("?")[0]
    stored = keys(bucket)
    assert len(stored) == 1 + 2 * 3 + 1  # the pieces that were played meanwhile are gone
    assert list(workspace.scratch.iterdir()) == []


def test_answers_503_while_the_store_is_away(
    open_app: OpenApp, bucket: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()

    def take(call: Call) -> Answer:
        return Answer(503, b"", {}) if away.is_set() else passed_on(aws, call)

    monkeypatch.setattr("unbraid.local.bucket.ATTEMPTS", 1)
    with server(take) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        app = open_app(store=f"s3://{bucket}/home")
        upload, new = app.completed(), app.create_upload()
        link = app.status(upload)["output_files"][0]["s3_url"]
        away.set()
        for answer in (
            app.client.get(link),
            app.client.put(new["uploadUrl"], content=SONG, headers={"Content-Type": "audio/mpeg"}),
            app.client.post("/process", json={"s3Key": new["s3Key"], "sessionId": new["sessionId"]}),
        ):
            assert answer.status_code == 503, answer.text
            assert "doesn't answer" in answer.json()["detail"]
    with pytest.raises(SettingError, match="can't be used: EndpointConnectionError"):
        open_app(store=f"s3://{bucket}/home")


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (
            "s3://missing-bucket-of-tests",
            "The bucket missing-bucket-of-tests of UNBRAID_STORE can't be used: 404",
        ),
        ("bucket/prefix", "Write it like s3://bucket/prefix"),
        ("https://store/bucket", "Write it like s3://bucket/prefix"),
    ],
)
def test_unusable_store_is_reported_in_one_line(
    aws: str, open_app: OpenApp, location: str, message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        open_app(store=location)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_parts_of_a_bucket_have_a_minimum(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="UNBRAID_PART_BYTES must be at least 5242880"):
        Settings.load(data=tmp_path, store="s3://bucket", part_bytes=1000)


def test_servers_with_the_same_link_secret_accept_each_others_links(
    open_app: OpenApp, bucket: str, tmp_path: Path
) -> None:
    settings = {"store": f"s3://{bucket}", "link_secret": "x" * 32}
    first = open_app(**settings)
    link = first.status(first.completed())["output_files"][0]["s3_url"]
    second = open_app(**settings, data=tmp_path / "second")
    third = open_app(store=settings["store"], data=tmp_path / "third")
    path = "/" + link.split("/", 3)[3]
    assert second.client.get(path).content == OCTETS
    assert third.client.get(path).status_code == 403
