"""`notify` takes the URL of a webhook if the server has a secret."""

from __future__ import annotations

import json
import threading

import pytest
from tests.web.conftest import OpenApp
from tests.web.test_songs import assert_problem
from tests.webhooks.conftest import Receiver, receiver

from unbraid.web import email

__all__ = ["receiver"]

SECRET = {"webhook_secret": "a secret of the test", "webhook_private": True}


def test_the_end_of_a_song_is_reported(open_app: OpenApp, receiver: Receiver) -> None:
    app = open_app(**SECRET)
    upload = app.create_upload("my song.mp3")
    app.put_song(upload)
    assert app.process(upload, notify=receiver.url).status_code == 202
    app.complete(upload)
    for thread in threading.enumerate():
        if thread.name == "notify":
            thread.join()
    [(_, _, body)] = receiver.arrived
    message = json.loads(body)
    assert (message["session_id"], message["status"]) == (upload["sessionId"], "COMPLETED")
    assert (message["file_name"], message["stems"]) == ("my song.mp3", ["vocals", "no_vocals"])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "sends no webhooks"),
        ({**SECRET, "public_url": "https://music.example.org"}, "signed-in users"),
    ],
)
def test_a_server_without_a_secret_or_sign_in_sends_none(
    settings: dict[str, object], problem: str, open_app: OpenApp
) -> None:
    app = open_app(**settings)
    answer = app.process(app.create_upload(), notify="https://example.org/done")
    assert problem in assert_problem(answer, 422)["detail"]


def test_an_unsafe_url_is_refused(open_app: OpenApp) -> None:
    app = open_app(**SECRET)
    upload = app.create_upload()
    app.put_song(upload)
    assert "https://" in assert_problem(app.process(upload, notify="http://example.org/done"), 422)["detail"]


def test_limits_webhooks_per_client(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "BURST", 2)
    app = open_app(**SECRET)
    body = {"sessionIds": ["x" * 32] * 3, "notify": "https://example.org/done"}
    assert "webhooks" in assert_problem(app.client.post("/batch/process", json=body), 429)["detail"]
