"""Who may have letters sent: an app that writes to any address for anybody is a tool to pester people."""

from __future__ import annotations

from unbraid.errors import SettingError
from unbraid.jobs.session import Choices


def wanted(choices: Choices | None, *, can: bool, may: bool) -> str | None:
    """The address that a letter is wanted to; None: no letter.

    `can`: whether letters can be sent here at all; `may`: whether they are, to whoever asks. Raises SettingError.
    """
    if choices is None or choices.notify is None:
        return None
    if not can:
        raise SettingError(
            "No e-mail is sent here. Leave notify out, and ask for the status instead.", "notify"
        )
    if not may:
        raise SettingError("E-mail is sent here only where people sign in. Leave notify out.", "notify")
    return choices.notify
