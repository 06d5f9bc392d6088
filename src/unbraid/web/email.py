"""Limit the number of e-mails and webhooks that a client can request."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException

from unbraid.jobs.notify import requested_notification
from unbraid.jobs.session import Choices
from unbraid.local.settings import Settings
from unbraid.web.limits import Buckets

# Per sender and per address: two of the largest batches in a burst, and one e-mail a minute in the long run.
BURST = 200
RATE_HZ = 1 / 60


class EmailQuota:
    """Count requested notifications for each sender and for each address or URL."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets = Buckets(RATE_HZ, BURST)

    def take(self, choices: Choices | None, sender: str, songs: int) -> None:
        """Take one for each song from both quotas. Raises SettingError, HTTPException 429."""
        address = requested_notification(choices, self._settings.notify_rights)
        if address is None:
            return
        for key in (f"from {sender}", f"to {address.lower()}"):
            wait_s = max(self._buckets.take(key) for _ in range(songs))
            if wait_s > 0:
                raise HTTPException(
                    429,
                    "Too many e-mails or webhooks requested. Leave notify out, or try again later.",
                    {"Retry-After": str(math.ceil(wait_s))},
                )
