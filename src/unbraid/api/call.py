"""Input of a handler: the call, and the features of the installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from unbraid.api.schemas.server import SignInAnswer
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices
from unbraid.jobs.status import Status


@dataclass(frozen=True, slots=True)
class Features:
    """Optional features of this installation, as `GET /config` reports them."""

    sign_in: SignInAnswer | None
    """Sign-in provider; None: no sign-in."""
    email: bool
    """Whether `notify` sends e-mail."""
    mixes: bool
    """Whether `POST /mix` exists."""
    events: str | None = None
    """URL of the WebSocket; None: `/events` of this server."""
    password: bool = False
    """Whether all users share one password."""
    teaching: bool = False
    """Whether `/teaching` exists."""
    wakes: bool = False
    """Whether the machine that separates songs shuts down while idle."""


class Call(Protocol):
    """One call of an endpoint, as the web app or a Lambda function received it."""

    @property
    def service(self) -> Service:
        """The rules of sessions."""
        ...

    @property
    def features(self) -> Features:
        """Optional features of this installation."""
        ...

    @property
    def owner(self) -> str | None:
        """Owner that the caller acts for (see `api.owners`); None: only the session id counts."""
        ...

    @property
    def base(self) -> str:
        """Prefix for links that the service returns as paths; empty if links are complete URLs already."""
        ...

    def zip_url(self, status: Status) -> str | None:
        """Link to one archive of all files of a session; None: no archive exists."""
        ...

    def check_email(self, choices: Choices | None, songs: int) -> None:
        """Raise SettingError, or the adapter's 429, if `choices` may not request e-mail for `songs` songs."""
        ...

    def count_started(self, songs: int) -> None:
        """Count songs that were started, for monitoring."""
        ...
