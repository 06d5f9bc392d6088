"""What a handler needs to know of the call it answers and of the installation that runs it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from unbraid.api.schemas import SignInAnswer
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices
from unbraid.jobs.status import Status


@dataclass(frozen=True, slots=True)
class Features:
    """What this installation offers, as `GET /config` and `GET /models` report it."""

    sign_in: SignInAnswer | None
    """Where users sign in; None: no sign-in."""
    email: bool
    """Whether `notify` sends e-mail."""
    mixes: bool
    """Whether `POST /mix` exists."""
    events: str | None = None
    """URL of the WebSocket; None: `/events` of this server."""
    wakes: bool = False
    """Whether the machine that separates songs shuts down while idle."""
    models: Collection[str] | None = None
    """Models that need no download; None: look in this machine's cache."""


class Call(Protocol):
    """One call of an endpoint, as the web app or a Lambda function received it."""

    @property
    def service(self) -> Service:
        """The rules of sessions."""
        ...

    @property
    def features(self) -> Features:
        """What this installation offers."""
        ...

    @property
    def owner(self) -> str | None:
        """Owner that the caller acts for (see `api.owners`); None: only the session id counts."""
        ...

    @property
    def base(self) -> str:
        """Prefix for links that the service returns as paths; empty where links are complete URLs."""
        ...

    def zip_url(self, status: Status) -> str | None:
        """Link to one archive of all files of a session; None: no archive exists."""
        ...

    def check_email(self, choices: Choices | None, songs: int) -> None:
        """Raise SettingError or the adapter's 429 where these choices may not send e-mail for that many songs."""
        ...

    def count_started(self, songs: int) -> None:
        """Count songs that were started, for monitoring."""
        ...
