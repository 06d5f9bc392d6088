"""E-mails reach a real mail server, and a failing e-mail doesn't stop a session from ending."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession
from tests.certificates import write_certificate

from unbraid.jobs.email import compose
from unbraid.jobs.session import Choices, Output, Session, State
from unbraid.local.mail import Mail
from unbraid.local.settings import Settings


@dataclass
class Mailbox:
    """Collects the e-mails that arrive."""

    arrived: list[tuple[Envelope, EmailMessage]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.arrived.append((envelope, message))
        return "250 OK"


StartServer = Callable[..., int]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def start_server(mailbox: Mailbox) -> Iterator[StartServer]:
    """Start a mail server for the mailbox with options of aiosmtpd, and return its port."""
    controllers: list[Controller] = []

    def start(**options: Any) -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
        controllers.append(controller)
        controller.start()
        return port

    yield start
    for controller in controllers:
        controller.stop()


def mail(port: int, **settings: Any) -> Mail:
    defaults = {"smtp_host": "localhost", "smtp_security": "none", "mail_from": "Unbraid <songs@example.org>"}
    return Mail(Settings.load(**{**defaults, "smtp_port": port, **settings}))


def ended_session(state: State = State.COMPLETED, name: str = "My Song.mp3", **changes: Any) -> Session:
    stems = [Output(stem, f"{stem}.wav", f"outputs/x/{stem}.wav", 1, 1.0) for stem in ("vocals", "no_vocals")]
    return Session(
        id="the-key-of-it",
        file_name=name,
        file_type="audio/mpeg",
        input_key="inputs/x/song.mp3",
        created_at=0,
        updated_at=0,
        expires_at=1,
        state=state,
        choices=changes.pop("choices", Choices(notify="me@example.org")),
        outputs=tuple(stems) if state == State.COMPLETED else (),
        **changes,
    )


def test_a_stem_file_has_a_name_in_the_message() -> None:
    output = Output("stem", "song.stem.mp4", "outputs/x/song.stem.mp4", 1, 1.0)
    text = compose(replace(ended_session(), outputs=(output,)), "songs@example.org", None).get_content()
    assert text == "Your song My Song.mp3 has been separated into a stem file.\n"


def test_a_finished_song_sends_a_link(mailbox: Mailbox, start_server: StartServer) -> None:
    mail(start_server(), public_url="https://songs.example.org").notify(ended_session())
    [(envelope, message)] = mailbox.arrived
    assert (envelope.mail_from, envelope.rcpt_tos) == ("songs@example.org", ["me@example.org"])
    assert (message["From"], message["To"]) == ("Unbraid <songs@example.org>", "me@example.org")
    assert message["Subject"] == "My Song.mp3 is separated"
    assert message["Message-ID"].endswith("@example.org>")
    assert message["Date"]
    text = message.get_content()
    assert "vocals and no_vocals" in text
    assert "https://songs.example.org/#/s/the-key-of-it" in text.split()


def test_without_a_public_url_there_is_no_link(mailbox: Mailbox, start_server: StartServer) -> None:
    mail(start_server()).notify(ended_session())
    assert "the-key" not in mailbox.arrived[0][1].get_content()


def test_a_failed_song_sends_the_reason(mailbox: Mailbox, start_server: StartServer) -> None:
    mail(start_server()).notify(ended_session(State.FAILED, error_message="My Song.mp3 is empty."))
    message = mailbox.arrived[0][1]
    assert message["Subject"] == "My Song.mp3 could not be separated"
    assert "My Song.mp3 is empty." in message.get_content()


@pytest.mark.parametrize(
    "name", ["Über den Wolken – 雲.mp3", "a\r\nBcc: all@example.org\r\n\r\nbody.mp3", "x" * 300]
)
def test_song_names_cannot_inject_headers(mailbox: Mailbox, start_server: StartServer, name: str) -> None:
    mail(start_server()).notify(ended_session(name=name))
    [(envelope, message)] = mailbox.arrived
    assert envelope.rcpt_tos == ["me@example.org"]
    assert message["Bcc"] is None
    assert message["Subject"] == f"{' '.join(name.split())} is separated"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_logs_in_over_an_encrypted_connection(
    mailbox: Mailbox, start_server: StartServer, certificate: Path, security: str
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    signed_in = []

    def check(
        server: SMTP, session: SmtpSession, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        signed_in.append((data.login, data.password))
        return AuthResult(success=True)

    if security == "tls":  # aiosmtpd doesn't count this connection as encrypted
        port = start_server(authenticator=check, ssl_context=context, auth_require_tls=False)
    else:
        port = start_server(authenticator=check, tls_context=context, auth_required=True)
    mail(port, smtp_security=security, smtp_user="unbraid", smtp_password="secret").notify(ended_session())
    assert signed_in == [(b"unbraid", b"secret")]
    assert len(mailbox.arrived) == 1


def test_sends_nothing_to_an_untrusted_server(
    mailbox: Mailbox, start_server: StartServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    mail(start_server(tls_context=context), smtp_security="starttls").notify(ended_session())
    assert mailbox.arrived == []


@pytest.mark.parametrize("address", ["me@example.org", "no address", "a@b\nBcc: c@d"])
def test_logs_an_undeliverable_e_mail_without_its_address(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    unused_port = 1
    mail(unused_port).notify(ended_session(choices=Choices(notify=address)))
    [record] = caplog.records
    assert record.getMessage().startswith("an e-mail can't be sent")
    assert "example" not in caplog.text
    assert "Bcc" not in caplog.text


def test_sends_nothing_without_notify(mailbox: Mailbox, start_server: StartServer) -> None:
    mail(start_server()).notify(ended_session(choices=Choices()))
    assert mailbox.arrived == []


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key and a certificate for `localhost` that this process trusts."""
    path = write_certificate(tmp_path / "localhost.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path
