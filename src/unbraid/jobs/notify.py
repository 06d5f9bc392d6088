"""Kinds of notifications, and who may request them.

An app that writes to any address for any caller can be used for harassment, and one that calls any URL for attacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from unbraid.errors import SettingError
from unbraid.jobs.session import Choices

# Catches typing errors and line breaks. Only the mail server knows whether an address exists.
_ADDRESS = re.compile(r"[^\s@<>,;:\"\\]{1,64}@[^\s@<>,;:\"\\]+\.[^\s@<>,;:\"\\]+")
_ADDRESS_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_URL = re.compile(r"https://[!-~]+")
LONGEST_URL = 2048


@dataclass(frozen=True, slots=True)
class NotifyRights:
    """What this installation can send, and to whom."""

    email: bool
    """Whether it can send e-mail."""
    webhooks: bool
    """Whether it can send webhooks."""
    trusted: bool
    """Whether this caller may request notifications."""

    @property
    def sends_email(self) -> bool:
        """Whether this caller may request e-mail."""
        return self.email and self.trusted


def is_email(text: str) -> bool:
    """Whether `notify` is an e-mail address."""
    return len(text) <= _ADDRESS_LENGTH and text.isprintable() and _ADDRESS.fullmatch(text) is not None


def is_webhook(text: str) -> bool:
    """Whether `notify` is the URL of a webhook: HTTPS, and without a user name. Its host is checked when it is used."""
    if len(text) > LONGEST_URL or not _URL.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        return False


def check_notify(text: str) -> None:
    """Raise SettingError unless `text` is an e-mail address or the URL of a webhook."""
    if not is_email(text) and not is_webhook(text):
        raise SettingError(
            "That is neither an e-mail address, such as name@example.org, nor an address of a webhook, such as "
            "https://example.org/done.",
            "notify",
        )


def email_address(choices: Choices) -> str | None:
    """Return the e-mail address to notify; None: e-mail was not requested."""
    return None if choices.notify is None or is_webhook(choices.notify) else choices.notify


def webhook_url(choices: Choices) -> str | None:
    """Return the URL to notify; None: a webhook was not requested."""
    return choices.notify if choices.notify is not None and is_webhook(choices.notify) else None


def requested_notification(choices: Choices | None, rights: NotifyRights) -> str | None:
    """Return the address or URL to notify when the song has ended; None: nothing was requested. Raises SettingError."""
    if choices is None or choices.notify is None:
        return None
    check_notify(choices.notify)
    webhook = is_webhook(choices.notify)
    what = "webhooks" if webhook else "e-mail"
    if not (rights.webhooks if webhook else rights.email):
        raise SettingError(f"This server sends no {what}. Leave notify out and poll the status.", "notify")
    if not rights.trusted:
        raise SettingError(f"This server sends {what} only to signed-in users. Leave notify out.", "notify")
    return choices.notify
