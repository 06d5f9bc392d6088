"""The log of functions identifies no song and no user."""

from __future__ import annotations

import io
import json
import secrets

import pytest
from tests.aws.functions.conftest import call
from tests.aws.functions.events import Context
from tests.jobs.memory import Workspace

from unbraid.aws.handlers import logger
from unbraid.jobs.session import new_id


def test_log_has_no_song_names_or_session_ids(workspace: Workspace, log: io.StringIO) -> None:
    session_id = workspace.completed(name="Secret Song.mp3")
    body = {"session_id": session_id}
    call("status", "POST /status", body)
    call("status", "GET /status/{sessionId}", path={"sessionId": session_id})
    call("upload", "POST /upload", {"fileName": "Secret Song.mp3", "fileType": ""})
    call("cleanup", "POST /cleanup", body)
    output = log.getvalue()
    assert session_id not in output
    assert "Secret" not in output
    assert "memory:" not in output
    answered = [json.loads(line) for line in output.splitlines() if '"answered"' in line]
    assert [(line["route"], line["status"]) for line in answered] == [
        ("POST /status", 200),
        ("GET /status/{sessionId}", 200),
        ("POST /upload", 200),
        ("POST /cleanup", 200),
    ]
    assert answered[0]["function_request_id"] == Context().aws_request_id


@pytest.mark.parametrize("around", ["{}", "inputs/{}/song.mp3", "{}.7", "'{}'", "é{}"])
def test_redacts_session_id_in_any_context(around: str, log: io.StringIO) -> None:
    for _ in range(30):
        session_id = new_id()
        try:
            raise RuntimeError(around.format(session_id))
        except RuntimeError:
            logger.exception(around.format(session_id))
        assert session_id not in log.getvalue()


def test_redacts_links_and_email_addresses(log: io.StringIO) -> None:
    word = secrets.token_hex(8)
    logger.warning(
        f"https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Signature={word}&x=Song {word}@example.org"
    )
    line = json.loads(log.getvalue())
    assert word not in json.dumps(line)
    assert line["message"].startswith("https://b.s3.amazonaws.com/k?…")
