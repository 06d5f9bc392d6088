"""Check who may request e-mail. An app that writes to any address for any caller can be used for harassment."""

from __future__ import annotations

from unbraid.errors import SettingError
from unbraid.jobs.session import Choices


def notification_address(choices: Choices | None, *, configured: bool, allowed: bool) -> str | None:
    """Return the address to notify when the song has ended; None: no e-mail was requested.

    `configured`: whether this installation can send e-mail; `allowed`: whether it sends e-mail for this caller.
    Raises SettingError.
    """
    if choices is None or choices.notify is None:
        return None
    if not configured:
        raise SettingError("This server sends no e-mail. Leave notify out and poll the status.", "notify")
    if not allowed:
        raise SettingError("This server sends e-mail only to signed-in users. Leave notify out.", "notify")
    return choices.notify
