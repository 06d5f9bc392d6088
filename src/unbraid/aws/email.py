"""The end of a song is told: to a topic of SNS, for other programs, and by SES to whoever asked for a letter."""

from __future__ import annotations

import email.policy
import hashlib
import json
import logging
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws import clients
from unbraid.jobs.email import letter
from unbraid.jobs.session import Session

# RFC 5322 with its line ends, in letters that every mail server on the way passes on as they are.
_MAIL = email.policy.SMTP.clone(cte_type="7bit")

log = logging.getLogger(__name__)


class Letters:
    """A Notifier. Without a topic or without a sender, that part is left out; whatever fails is logged."""

    def __init__(self, topic: str | None, sender: str | None, site: str | None) -> None:
        """`topic`: ARN. `sender`: an address that SES may send from. `site`: the page's address, for a link to it."""
        self._topic, self._sender, self._site = topic, sender, site

    @cached_property
    def _sns(self) -> Any:
        return clients.client("sns")

    @cached_property
    def _ses(self) -> Any:
        return clients.client("sesv2")

    def notify(self, session: Session) -> None:
        """Tell both, each whatever becomes of the other."""
        if self._topic is not None:
            try:
                self._publish(self._topic, session)
            except (BotoCoreError, ClientError) as error:
                log.warning("the topic can't be told of a song's end: %s", clients.reason(error))
        if self._sender is not None and session.choices.notify:
            try:
                self._send(session.choices.notify, self._sender, session)
            except (BotoCoreError, ClientError, ValueError) as error:
                log.warning("a letter can't be sent: %s", clients.reason(error))

    def _publish(self, topic: str, session: Session) -> None:
        state = {"DataType": "String", "StringValue": session.state.value}
        self._sns.publish(
            TopicArn=topic, Message=json.dumps(end_of(session)), MessageAttributes={"state": state}
        )

    def _send(self, address: str, sender: str, session: Session) -> None:
        message = letter(session, sender, self._site).as_bytes(policy=_MAIL)
        self._ses.send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": [address]},
            Content={"Raw": {"Data": message}},
        )


def end_of(session: Session) -> dict[str, Any]:
    """What programs are told of a song's end: nothing that opens it, and nothing of whose it is.

    Topics may lead to mailboxes and other companies' servers, so the id, which is a key, is not in it, nor the file's
    name (so nor the error's message, which has it), nor an address. `session` is the SHA-256 of the id: who knows the
    id knows which song is meant, and an id of 192 random bits can't be found by trying.
    """
    worked = session.finished_at - session.started_at if session.finished_at and session.started_at else None
    return {
        "session": hashlib.sha256(session.id.encode()).hexdigest(),
        "state": session.state.value,
        "finished_at": session.finished_at,
        "model": session.model_used or session.choices.model,
        "stems": session.choices.stems,
        "format": session.choices.format,
        "duration_s": session.duration_s,
        "work_s": worked,
        "attempts": session.attempts,
    }
