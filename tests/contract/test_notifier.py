"""What the rules of sessions count on in whatever writes to people that their song is done."""

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
class Post:
    """What a notifier hands its letters to, and what became of them."""

    notifier: Notifier | None = None
    refuses: bool = False
    arrived: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    """To whom, and the letter."""

    def take(self, to: list[str], letter: bytes) -> None:
        read = email.message_from_bytes(letter, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        self.arrived.append((to, read))

    def notify(self, *args: object, **fields: object) -> None:
        assert self.notifier is not None
        self.notifier.notify(ended_session(*args, **fields))  # type: ignore[arg-type]


@contextmanager
def mail(post: Post) -> Iterator[Notifier]:
    class Office:
        async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
            if post.refuses:
                return "554 no"
            assert isinstance(envelope.content, bytes)
            post.take(envelope.rcpt_tos, envelope.content)
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(Office(), hostname="127.0.0.1", port=port)
    controller.start()
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
    try:
        yield Mail(Settings.load(**given, mail_from=SENDER, public_url=SITE))
    finally:
        controller.stop()


@contextmanager
def ses(post: Post, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifier]:
    def send(call: Call) -> Answer:
        if post.refuses:
            return refusal(400, "MessageRejected")
        said = json.loads(call.body)
        post.take(said["Destination"]["ToAddresses"], base64.b64decode(said["Content"]["Raw"]["Data"]))
        return Answer(200, b'{"MessageId": "1"}', {"content-type": "application/json"})

    with server(send) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", url)
        yield Emails(None, SENDER, SITE)


@pytest.fixture(params=["mail", "ses"])
def post(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    post = Post()
    if request.param == "ses":
        request.getfixturevalue("aws")
    with mail(post) if request.param == "mail" else ses(post, monkeypatch) as post.notifier:
        yield post


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_who_asked_for_a_letter_gets_one_that_says_what_became_of_the_song(post: Post, state: State) -> None:
    post.notify(state)
    [(to, letter)] = post.arrived
    assert to == ["me@example.org"]
    assert (letter["From"], letter["To"]) == (SENDER, "me@example.org")
    text = letter.get_content()
    assert f"{SITE}/#/s/" in text
    assert ("vocals and no_vocals" in text) == (state == State.COMPLETED)
    assert ("My Song.mp3 is empty." in text) == (state == State.FAILED)


def test_who_did_not_ask_gets_none(post: Post) -> None:
    post.notify(notify=None)
    assert post.arrived == []


@pytest.mark.parametrize("name", ["Über den Wolken – 雲.mp3", "a\r\nBcc: all@example.org\r\n\r\nbody.mp3"])
def test_whatever_a_song_is_called_it_stays_in_its_place(post: Post, name: str) -> None:
    post.notify(file_name=name)
    [(to, letter)] = post.arrived
    assert to == ["me@example.org"]
    assert letter["Bcc"] is None
    assert letter["Subject"] == f"{' '.join(name.split())} is separated"


@pytest.mark.parametrize("address", ["me@example.org", "no address", "a@b\nBcc: c@example.com"])
def test_a_letter_that_is_not_taken_changes_nothing_and_is_logged_without_whose_it_is(
    post: Post, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    post.refuses = True
    post.notify(notify=address)
    assert post.arrived == []
    [record] = [record for record in caplog.records if record.name.startswith("unbraid")]
    assert record.getMessage().startswith("an e-mail can't be sent")
    assert "example.org" not in record.getMessage()
