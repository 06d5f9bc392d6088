"""How many letters whoever may have some sent gets."""

from __future__ import annotations

import math

from starlette.exceptions import HTTPException

from unbraid.api.email import wanted
from unbraid.jobs.session import Choices
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

    def ask(self, choices: Choices | None, asker: str, count: int) -> None:
        """`asker` wants so many songs with these choices. Raises SettingError, HTTPException 429."""
        settings = self._settings
        address = wanted(choices, can=settings.smtp_host is not None, may=settings.sends_mail)
        if address is None:
            return
        for key in (f"from {asker}", f"to {address.lower()}"):
            wait = max(self._buckets.take(key) for _ in range(count))
            if wait > 0:
                raise HTTPException(
                    429,
                    "Too many letters were asked for. Leave notify out, or try again later.",
                    {"Retry-After": str(math.ceil(wait))},
                )
