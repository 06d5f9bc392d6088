"""Announce the end of a song: to an SNS topic for programs, and by e-mail (SES) to users who requested it."""

from __future__ import annotations

import email.policy
import hashlib
import json
import logging
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws import clients
from unbraid.jobs.email import compose
from unbraid.jobs.notify import email_address
from unbraid.jobs.session import Session
from unbraid.s3.errors import reason

# RFC 5322 line ends, and only 7-bit characters, which every mail server forwards unchanged.
_MAIL = email.policy.SMTP.clone(cte_type="7bit")

NOT_SENT = "email-not-sent"
"""Marks the log line of an e-mail that SES refused: no right, an unconfirmed address, or the sandbox."""

log = logging.getLogger(__name__)


class Emails:
    """A Notifier. Skips the topic or the e-mail if it isn't configured, and logs failures."""

    def __init__(self, topic: str | None, sender: str | None, site: str | None) -> None:
        """`topic`: ARN. `sender`: address that SES may send from. `site`: URL of the page, for a link to it."""
        self._topic, self._sender, self._site = topic, sender, site

    @cached_property
    def _sns(self) -> Any:
        return clients.client("sns")

    @cached_property
    def _ses(self) -> Any:
        return clients.client("sesv2")

    def notify(self, session: Session) -> None:
        """Publish and send, each even if the other fails."""
        if self._topic is not None:
            try:
                self._publish(self._topic, session)
            except (BotoCoreError, ClientError) as error:
                log.warning("the end of a song can't be published: %s", reason(error))
        address = email_address(session.choices)
        if self._sender is not None and address:
            try:
                self._send(address, self._sender, session)
            except (BotoCoreError, ClientError, ValueError) as error:
                # A metric filter of the log counts these (infra/notifications.py): the container has no other metrics.
                log.error("an e-mail can't be sent: %s", reason(error), extra={"event": NOT_SENT})

    def _publish(self, topic: str, session: Session) -> None:
        state = {"DataType": "String", "StringValue": session.state.value}
        self._sns.publish(
            TopicArn=topic, Message=json.dumps(event_of(session)), MessageAttributes={"state": state}
        )

    def _send(self, address: str, sender: str, session: Session) -> None:
        message = compose(session, sender, self._site).as_bytes(policy=_MAIL)
        self._ses.send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": [address]},
            Content={"Raw": {"Data": message}},
        )


def event_of(session: Session) -> dict[str, Any]:
    """Return the published event, which neither gives access to the song nor identifies its user.

    A topic may lead to mailboxes and to other companies' servers. So the event has no id, which is a key, no file name,
    no error message, which contains the file name, and no address. `session` is the SHA-256 of the id: a program that
    knows the id can match it, and an id of 192 random bits can't be guessed from its hash.
    """
    work_s = session.finished_at - session.started_at if session.finished_at and session.started_at else None
    return {
        "session": hashlib.sha256(session.id.encode()).hexdigest(),
        "state": session.state.value,
        "finished_at": session.finished_at,
        "model": session.model_used or session.choices.model,
        "stems": session.choices.stems,
        "format": session.choices.format,
        "duration_s": session.duration_s,
        "work_s": work_s,
        "attempts": session.attempts,
    }
