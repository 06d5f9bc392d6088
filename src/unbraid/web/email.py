"""Limit the number of e-mails that a client can request."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException

from unbraid.api.email import notification_address
from unbraid.jobs.session import Choices
from unbraid.local.settings import Settings
from unbraid.web.limits import Buckets

# Per sender and per address: two of the largest batches in a burst, and one e-mail a minute in the long run.
BURST = 200
RATE_HZ = 1 / 60


class EmailQuota:
    """Count requested e-mails for each sender and for each address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets = Buckets(RATE_HZ, BURST)

    def take(self, choices: Choices | None, sender: str, songs: int) -> None:
        """Take one e-mail for each song from both quotas. Raises SettingError, HTTPException 429."""
        settings = self._settings
        address = notification_address(
            choices, configured=settings.smtp_host is not None, allowed=settings.sends_mail
        )
        if address is None:
            return
        for key in (f"from {sender}", f"to {address.lower()}"):
            wait_s = max(self._buckets.take(key) for _ in range(songs))
            if wait_s > 0:
                raise HTTPException(
                    429,
                    "Too many e-mails requested. Leave notify out, or try again later.",
                    {"Retry-After": str(math.ceil(wait_s))},
                )
