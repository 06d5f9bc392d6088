"""Webhooks are signed, repeated after failures, and sent by the local server and in AWS."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import re
import threading
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.aws.sessions import ended_session
from tests.webhooks.conftest import Receiver

from unbraid.aws import factory as aws_factory
from unbraid.aws.settings import Settings as AwsSettings
from unbraid.errors import SettingError
from unbraid.jobs.choices import validate_choices
from unbraid.jobs.limits import Limits
from unbraid.jobs.notify import is_webhook
from unbraid.jobs.ports import Notifier
from unbraid.jobs.session import Choices, Session, State
from unbraid.local import factory as local_factory
from unbraid.local.settings import Settings
from unbraid.webhooks.message import body_of, signature
from unbraid.webhooks.notifier import Webhooks

SECRET = "a secret of the test"
DOCS = Path(__file__).parents[2] / "docs"


class Mailbox:
    """A Notifier for e-mail."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def notify(self, session: Session) -> None:
        self.sessions.append(session)


def webhooks(
    waits: list[float] | None = None, *, allow_private: bool = True, mail: Notifier | None = None
) -> Webhooks:
    """Return a notifier that notes its waits instead of waiting."""
    pauses = [] if waits is None else waits
    return Webhooks(
        SECRET, mail or Mailbox(), allow_private=allow_private, waits_s=(1.0, 4.0), sleep=pauses.append
    )


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_reports_the_end_of_a_song(receiver: Receiver, state: State) -> None:
    session = ended_session(state, notify=receiver.url)
    webhooks().notify(session)
    [(path, headers, body)] = receiver.arrived
    assert path == "/done?key=1"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "event": "session.completed" if state == State.COMPLETED else "session.failed",
        "session_id": session.id,
        "status": state.value,
        "file_name": "My Song.mp3",
        "model": "htdemucs",
        "stems": ["vocals", "no_vocals"] if state == State.COMPLETED else [],
        "format": "wav",
        "duration_s": 180.25,
        "bpm": session.bpm,
        "key": session.musical_key,
        "finished_at": 1_800_000_040.5,
        "warnings": [],
        "error_message": session.error_message,
    }


def test_the_signature_proves_sender_time_and_body(receiver: Receiver) -> None:
    webhooks().notify(ended_session(notify=receiver.url))
    [(_, headers, body)] = receiver.arrived
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["unbraid-signature"])
    assert found
    expected = hmac.new(SECRET.encode(), found[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert found[2] == expected


def test_the_example_in_the_manual_verifies_it() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    code = re.search(r"\n(    import hashlib\n.*?)\n\n[^ ]", text, re.DOTALL)
    assert code
    names: dict[str, object] = {}
    exec("\n".join(line[4:] for line in code[1].splitlines()), names)
    is_genuine = names["is_genuine"]
    assert callable(is_genuine)
    header = signature(SECRET, b"{}", 1000)
    assert is_genuine(header, b"{}", SECRET, now=1299)
    assert not is_genuine(header, b"{} ", SECRET, now=1299)
    assert not is_genuine(header, b"{}", "another secret", now=1299)
    assert not is_genuine(header, b"{}", SECRET, now=1301)


def test_the_program_in_the_manual_receives_songs_and_refuses_forgeries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = (
        (DOCS / "serve.md")
        .read_text("utf-8")
        .split("gives it an `https://` address:\n\n")[1]
        .split("\n\nOnly")[0]
    )
    names: dict[str, Any] = {}
    exec(dedent(code).replace("9000", "0").replace("server.serve_forever()", ""), names)
    with names["server"] as server:
        threading.Thread(target=server.serve_forever).start()
        body = body_of(ended_session())
        genuine = signature(names["SECRET"], body, int(time.time()))
        old = signature(names["SECRET"], body, int(time.time()) - 400)
        statuses = []
        for headers, sent in (
            ({"Unbraid-Signature": genuine}, body),
            ({"Unbraid-Signature": genuine}, body + b" "),
            ({"Unbraid-Signature": old}, body),
            ({}, body),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            connection.request("POST", "/done", sent, headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        server.shutdown()
    assert statuses == [204, 403, 403, 403]
    song = ended_session()
    assert capsys.readouterr().out == f"{song.file_name} COMPLETED {song.bpm} {song.musical_key}\n"


@pytest.mark.parametrize("answer", [500, 503, 429, 408])
def test_tries_again_after_passing_failures(receiver: Receiver, answer: int) -> None:
    receiver.answers = [answer, answer]
    waits: list[float] = []
    webhooks(waits).notify(ended_session(notify=receiver.url))
    assert len(receiver.arrived) == 3
    assert waits == [1.0, 4.0]
    assert len({headers["unbraid-delivery"] for _, headers, _ in receiver.arrived}) == 1


def test_gives_up_in_the_end(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answers = [500] * 9
    webhooks().notify(ended_session(notify=receiver.url))
    assert len(receiver.arrived) == 3
    assert caplog.messages == ["a webhook can't be sent: the server answered 500"]


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 404, 410])
def test_does_not_follow_redirects_or_repeat_refused_ones(receiver: Receiver, answer: int) -> None:
    receiver.answers, receiver.location = [answer], receiver.url
    webhooks().notify(ended_session(notify=receiver.url))
    assert len(receiver.arrived) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_sends_nothing_to_private_addresses(
    receiver: Receiver, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    url = receiver.url.replace("localhost", host)
    webhooks(waits, allow_private=False).notify(ended_session(notify=url))
    assert (receiver.arrived, waits) == ([], [])
    assert caplog.messages == ["a webhook isn't sent: the address isn't public"]


def test_an_untrusted_certificate_receives_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    webhooks().notify(ended_session(notify=receiver.url))
    assert receiver.arrived == []
    assert caplog.messages == ["a webhook can't be sent: SSLCertVerificationError"]


def test_a_server_that_never_finishes_its_answer_is_cut_off(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("unbraid.webhooks.notifier.DEADLINE_S", 0.3)
    receiver.drips = True
    webhooks().notify(ended_session(notify=receiver.url))
    assert len(receiver.arrived) == 3
    assert caplog.messages[0].startswith("a webhook can't be sent: ")
    receiver.drips = False


def test_email_addresses_stay_with_email(receiver: Receiver) -> None:
    mail = Mailbox()
    for notify in ("me@example.org", None, receiver.url):
        webhooks(mail=mail).notify(ended_session(notify=notify))
    assert len(mail.sessions) == 3
    assert len(receiver.arrived) == 1


def local_notifier(tmp_path: Path, **settings: object) -> Notifier:
    return local_factory.open_sessions(Settings.load(data=tmp_path, **settings)).notifier


def aws_notifier(tmp_path: Path, **settings: object) -> Notifier:
    return aws_factory.open_sessions(AwsSettings(bucket="b", table="t", **settings)).notifier  # type: ignore[arg-type]


@pytest.mark.parametrize("open_notifier", [local_notifier, aws_notifier])
def test_the_local_server_and_aws_send_webhooks(
    open_notifier: object, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "unbraid")
    assert callable(open_notifier)
    for private in (False, True):
        notifier = open_notifier(tmp_path, webhook_secret=SECRET, webhook_private=private)
        notifier.notify(ended_session(notify=receiver.url))
        for thread in threading.enumerate():
            if thread.name == "notify":
                thread.join()
        assert len(receiver.arrived) == private
    open_notifier(tmp_path).notify(ended_session(notify=receiver.url))  # without a secret
    assert len(receiver.arrived) == 1


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("https://example.org/done", True),
        ("https://example.org:8443/?a=1", True),
        ("https://[2606:4700::1111]/", True),
        ("http://example.org/done", False),
        ("https://", False),
        ("https://me:secret@example.org/", False),
        ("https://example.org:99999/", False),
        ("https://example.org/ü", False),
        ("https://example.org/a b", False),
        ("https://example.org/\r\nHost: other", False),
        ("ftp://example.org/", False),
        ("https://example.org/" + "x" * 2048, False),
    ],
)
def test_recognises_urls(url: str, valid: bool) -> None:
    assert is_webhook(url) == valid
    if not valid:
        with pytest.raises(SettingError, match="neither an e-mail address"):
            validate_choices(Choices(notify=url), Limits())
