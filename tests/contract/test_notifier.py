"""Contract of every Notifier."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from tests.aws.sessions import ended_session
from tests.simulators.relay import Answer, Call, refusal, server

from unbraid.aws.email import Emails
from unbraid.jobs.ports import Notifier
from unbraid.jobs.session import State
from unbraid.local.mail import Mail
from unbraid.local.settings import Settings

SENDER, SITE = "Unbraid <songs@example.org>", "https://songs.example.org"


@dataclass
class Mailbox:
    """A notifier under test, and the e-mails that arrived."""

    notifier: Notifier | None = None
    refuses: bool = False
    arrived: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    """Recipients, and the e-mail."""

    def take(self, to: list[str], message: bytes) -> None:
        read = email.message_from_bytes(message, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        self.arrived.append((to, read))

    def notify(self, *args: object, **fields: object) -> None:
        assert self.notifier is not None
        self.notifier.notify(ended_session(*args, **fields))  # type: ignore[arg-type]


@contextmanager
def mail(mailbox: Mailbox) -> Iterator[Notifier]:
    class Server:
        async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
            if mailbox.refuses:
                return "554 no"
            assert isinstance(envelope.content, bytes)
            mailbox.take(envelope.rcpt_tos, envelope.content)
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(Server(), hostname="127.0.0.1", port=port)
    controller.start()
    settings = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
    try:
        yield Mail(Settings.load(**settings, mail_from=SENDER, public_url=SITE))
    finally:
        controller.stop()


@contextmanager
def ses(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifier]:
    def send(call: Call) -> Answer:
        if mailbox.refuses:
            return refusal(400, "MessageRejected")
        body = json.loads(call.body)
        mailbox.take(body["Destination"]["ToAddresses"], base64.b64decode(body["Content"]["Raw"]["Data"]))
        return Answer(200, b'{"MessageId": "1"}', {"content-type": "application/json"})

    with server(send) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", url)
        yield Emails(None, SENDER, SITE)


@pytest.fixture(params=["mail", "ses"])
def mailbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    mailbox = Mailbox()
    if request.param == "ses":
        request.getfixturevalue("aws")
    with mail(mailbox) if request.param == "mail" else ses(mailbox, monkeypatch) as mailbox.notifier:
        yield mailbox


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_email_reports_the_result_of_the_song(mailbox: Mailbox, state: State) -> None:
    mailbox.notify(state)
    [(to, message)] = mailbox.arrived
    assert to == ["me@example.org"]
    assert (message["From"], message["To"]) == (SENDER, "me@example.org")
    text = message.get_content()
    assert f"{SITE}/#/s/" in text
    assert ("vocals and no_vocals" in text) == (state == State.COMPLETED)
    assert ("My Song.mp3 is empty." in text) == (state == State.FAILED)


def test_no_email_without_address(mailbox: Mailbox) -> None:
    mailbox.notify(notify=None)
    assert mailbox.arrived == []


@pytest.mark.parametrize("name", ["Über den Wolken – 雲.mp3", "a\r\nBcc: all@example.org\r\n\r\nbody.mp3"])
def test_song_name_cannot_add_headers(mailbox: Mailbox, name: str) -> None:
    mailbox.notify(file_name=name)
    [(to, message)] = mailbox.arrived
    assert to == ["me@example.org"]
    assert message["Bcc"] is None
    assert message["Subject"] == f"{' '.join(name.split())} is separated"


@pytest.mark.parametrize("address", ["me@example.org", "no address", "a@b\nBcc: c@example.com"])
def test_rejected_email_is_logged_without_the_address(
    mailbox: Mailbox, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.refuses = True
    mailbox.notify(notify=address)
    assert mailbox.arrived == []
    [record] = [record for record in caplog.records if record.name.startswith("unbraid")]
    assert record.getMessage().startswith("an e-mail can't be sent")
    assert "example.org" not in record.getMessage()
