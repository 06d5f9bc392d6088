"""Limits on e-mail, so that the app can't be used for harassment."""

from __future__ import annotations

import pytest
from tests.web.conftest import OpenApp
from tests.web.test_songs import assert_problem

from unbraid.jobs.session import Choices
from unbraid.web import email

MAIL = {"smtp_host": "localhost", "mail_from": "unbraid@example.org"}
PUBLIC = {"public_url": "https://music.example.org"}


def test_public_server_sends_no_email_without_sign_in(open_app: OpenApp) -> None:
    app = open_app(**MAIL, **PUBLIC)
    upload = app.create_upload()
    answer = app.client.post(
        "/process",
        json={"sessionId": upload["sessionId"], "s3Key": upload["s3Key"], "notify": "you@example.org"},
    )
    assert "signed-in users" in assert_problem(answer, 422)["detail"]
    assert app.client.get("/config").json()["mail"] is False


def test_private_server_sends_email(open_app: OpenApp) -> None:
    for number, more in enumerate(({}, {**PUBLIC, "insecure": True})):
        app = open_app(**MAIL, **more)
        assert app.client.get("/config").json()["mail"] is True
        upload = app.create_upload()
        app.put_song(upload)
        assert app.process(upload, notify=f"you{number}@example.org").status_code == 202


def test_limits_emails_per_client(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email, "BURST", 3)
    app = open_app(**MAIL)
    body = {"sessionIds": ["x" * 32], "notify": "you@example.org"}
    for _ in range(3):
        assert app.client.post("/batch/process", json=body).status_code == 202
    answer = app.client.post("/batch/process", json=body)
    assert "e-mails" in assert_problem(answer, 429)["detail"]
    assert int(answer.headers["retry-after"]) > 10
    other = open_app(**MAIL)
    assert_problem(other.client.post("/batch/process", json={**body, "sessionIds": ["x" * 32] * 4}), 429)


def test_limits_emails_per_address(monkeypatch: pytest.MonkeyPatch, open_app: OpenApp) -> None:
    monkeypatch.setattr(email, "BURST", 2)
    quota = email.EmailQuota(open_app(**MAIL).settings)
    quota.take(Choices(notify="you@example.org"), "one", 1)
    quota.take(Choices(notify="YOU@example.org"), "another", 1)
    with pytest.raises(email.HTTPException):
        quota.take(Choices(notify="you@example.org"), "a third", 1)
