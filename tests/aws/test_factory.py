"""The service over the AWS adapters, from the upload of a song to its deletion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import urllib3
from tests.jobs.memory import SONG

from unbraid.aws.factory import open_sessions
from unbraid.aws.settings import Settings
from unbraid.errors import SettingError
from unbraid.jobs.leases import Leases
from unbraid.jobs.service import Service
from unbraid.jobs.session import Output, State
from unbraid.jobs.sweeper import Sweeper


def test_song_goes_from_upload_to_deletion(bucket: str, table: str, tmp_path: Path) -> None:
    sqs = boto3.client("sqs")
    queue_url = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    sessions = open_sessions(Settings(bucket=bucket, table=table, queue_url=queue_url), tmp_path)
    service, leases = Service(sessions), Leases(sessions)
    upload = service.upload("Für Elise.mp3", "audio/mpeg", "browser:me")
    response = urllib3.request("PUT", upload.url, body=SONG, headers={"Content-Type": "audio/mpeg"})
    assert response.status == 200
    assert service.start(upload.session.id).state == State.PENDING
    assert service.status(upload.session.id).wait.position == 1

    [message] = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    request = json.loads(message["Body"])
    assert leases.begin(request["session_id"], request["dispatch"]) is not None
    assert leases.begin(request["session_id"], request["dispatch"]) is None
    assert request["input_s3_uri"] == f"s3://{bucket}/{upload.session.input_key}"
    with sessions.objects.local_file(upload.session.input_key) as song:
        assert song.read_bytes() == SONG
    stem, key = tmp_path / "vocals.wav", f"outputs/{upload.session.id}/vocals.wav"
    stem.write_bytes(b"RIFF")
    sessions.objects.put(stem, key, "audio/wav")
    outputs = [Output("vocals", "vocals.wav", key, 4, 180.0)]
    assert leases.complete(request["session_id"], request["dispatch"], outputs, 180.0, "lite")

    [status] = service.history("browser:me")
    download = urllib3.request("GET", status.files[0].url)
    assert (status.session.state, download.data) == (State.COMPLETED, b"RIFF")
    assert Sweeper(sessions).sweep() == (0, 0)
    assert service.cleanup(upload.session.id) == 3
    assert service.cleanup(upload.session.id) == 0
    assert urllib3.request("GET", status.files[0].url).status in (403, 404)


def test_models_of_the_settings_are_the_images(bucket: str, table: str) -> None:
    sessions = open_sessions(Settings(bucket=bucket, table=table, models=("auto", "lite", "spleeter")))
    assert sessions.queue_snapshot.rates.used("auto", "vocals") == "spleeter"
    every = open_sessions(Settings(bucket=bucket, table=table))
    assert every.queue_snapshot.rates.used("auto", "vocals") == "htdemucs"


def test_sweeps_expired_sessions_and_orphaned_files(bucket: str, table: str) -> None:
    sessions = open_sessions(Settings(bucket=bucket, table=table))
    service = Service(sessions)
    upload = service.upload("Song.mp3", "audio/mpeg")
    urllib3.request("PUT", upload.url, body=SONG, headers={"Content-Type": "audio/mpeg"})
    objects = sessions.objects
    boto3.client("s3").put_object(Bucket=bucket, Key=f"outputs/{'x' * 32}/vocals.wav", Body=b"no session")
    sessions.clock = lambda: upload.session.expires_at + 1
    assert Sweeper(sessions).sweep() == (1, 1)
    assert list(objects.session_ids()) == []


def test_song_waits_while_there_is_no_dispatcher(
    bucket: str, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = open_sessions(Settings(bucket=bucket, table=table))
    service = Service(sessions)
    upload = service.upload("Song.mp3", "audio/mpeg")
    urllib3.request("PUT", upload.url, body=SONG, headers={"Content-Type": "audio/mpeg"})
    assert service.start(upload.session.id).state == State.PENDING
    assert service.get(upload.session.id).undispatched
    assert "until the deployment is finished" in caplog.text


def test_requires_a_bucket_and_a_table() -> None:
    with pytest.raises(SettingError, match="UNBRAID_BUCKET and UNBRAID_TABLE"):
        open_sessions(Settings(table="sessions"))


def test_imports_no_package_missing_from_the_bundles() -> None:
    """The bundles of the functions leave some packages out, so `aws.factory` must not import them."""
    code = "import sys, unbraid.aws.factory; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "boto3" in loaded
    not_in_bundles = {
        "numpy",
        "av",
        "openvino",
        "torch",
        "soxr",
        "fastapi",
        "uvicorn",
        "sqlalchemy",
        "unbraid.local",
    }
    assert not_in_bundles & set(loaded) == set()
