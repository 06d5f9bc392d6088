"""Who may have letters sent, and how many: an app that writes to any address for anybody is a tool to pester people."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException

from unbraid.errors import SettingError
from unbraid.local.settings import Settings
from unbraid.web.limits import Buckets

# For each who asks, and to each address: two of the largest batches at once, and one a minute in the long run.
AT_ONCE = 200
A_SECOND = 1 / 60


class Letters:
    """Counts those that were asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buckets = Buckets(A_SECOND, AT_ONCE)

    def ask(self, address: str, asker: str, count: int) -> None:
        """`asker` wants so many to `address`. Raises SettingError, HTTPException 429."""
        if self._settings.smtp_host is None:
            raise SettingError(
                "No e-mail is sent here. Leave notify out, and ask for the status instead.", "notify"
            )
        if not self._settings.sends_mail:
            raise SettingError("E-mail is sent here only where people sign in. Leave notify out.", "notify")
        for key in (f"from {asker}", f"to {address.lower()}"):
            wait = max(self._buckets.take(key) for _ in range(count))
            if wait > 0:
                raise HTTPException(
                    429,
                    "Too many letters were asked for. Leave notify out, or try again later.",
                    {"Retry-After": str(math.ceil(wait))},
                )
