"""What functions and container are told by their environment, as the deployment sets it: names in capitals, after
`UNBRAID_`. AWS's own variables (AWS_REGION, AWS_ENDPOINT_URL …) are read by botocore.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from unbraid.environment import PREFIX, Names, Seconds
from unbraid.errors import SettingError
from unbraid.jobs.limits import DAY, HOUR, Limits

Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+$")]


class Settings(BaseSettings):
    """Every setting with its default. What is None is not there; empty counts as not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    # Where things are kept
    bucket: str | None = None
    table: str | None = None
    connections: str | None = None
    """Table of the open sockets."""

    # Who separates songs: an asynchronous endpoint, or those who read a queue
    endpoint: str | None = None
    queue_url: str | None = None

    # Who is told
    topic: str | None = None
    """ARN of the topic that hears of songs that ended."""
    sender: str | None = None
    """Address that letters come from; None: there are no letters."""

    # Addresses
    site: Address | None = None
    """Of the page, which letters link to."""
    socket_url: str | None = None
    """wss://…, told to pages."""
    socket_api: str | None = None
    """https://…, where sockets are written to."""

    # Sign-in
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None

    # Limits
    models: Names = ()
    """Those that the image has; none named: all of the catalogue."""
    link_s: Seconds = HOUR
    upload_s: Seconds = DAY
    results_s: Seconds = 7 * DAY
    lease_s: Seconds = (
        60  # instances may be short of breath while they start; a lost one is mostly told of by SageMaker
    )
    max_bytes: int = Field(default=2 << 30, ge=1, le=5 << 30)  # S3 takes no more in one PUT
    max_song_s: Seconds = 4 * HOUR
    max_attempts: int = Field(default=3, ge=1)
    per_owner_active: int | None = Field(default=None, ge=1)
    max_batch: int = Field(default=100, ge=1)

    @classmethod
    def load(cls) -> Self:
        """Those of the environment. Raises SettingError."""
        try:
            settings = cls()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise SettingError(f"{PREFIX}{name.upper()} can't be used: {first['msg']}.") from None
        if (settings.oidc_issuer is None) != (settings.oidc_client_id is None):
            raise SettingError(f"Sign-in needs both {PREFIX}OIDC_ISSUER and {PREFIX}OIDC_CLIENT_ID.")
        if settings.endpoint is not None and settings.queue_url is not None:
            raise SettingError(f"Songs go to {PREFIX}ENDPOINT or to {PREFIX}QUEUE_URL; set one of them.")
        return settings

    @property
    def limits(self) -> Limits:
        """Those that the rules of sessions know of, which have the same names there."""
        named = {
            field.name: getattr(self, field.name) for field in fields(Limits) if hasattr(self, field.name)
        }
        return Limits(**{**named, "models": self.models or None})

    @property
    def signs_in(self) -> bool:
        """Whether users have to sign in."""
        return self.oidc_issuer is not None

    @property
    def sends_mail(self) -> bool:
        """Whether people may have letters sent: never strangers, who could have them sent to anybody."""
        return self.sender is not None and self.signs_in
