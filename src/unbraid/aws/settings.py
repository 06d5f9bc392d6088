"""Settings of functions and container, from environment variables that the deployment sets.

Variable names are the field names in capitals after `UNBRAID_`. botocore reads AWS's own variables (AWS_REGION,
AWS_ENDPOINT_URL, …).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from unbraid.environment import PREFIX, Names, Seconds
from unbraid.errors import SettingError
from unbraid.jobs.limits import DAY, HOUR, Limits
from unbraid.jobs.notify import NotifyRights

Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+$")]


class Settings(BaseSettings):
    """Every setting with its default. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    # Storage
    bucket: str | None = None
    table: str | None = None
    connections: str | None = None
    """Table of the open WebSocket connections."""
    usage: str | None = None
    """Table of what each client uses; None: clients have no limits of their own."""

    # Separation: an asynchronous endpoint, or a queue with a function
    endpoint: str | None = None
    queue_url: str | None = None

    # A new image: see unbraid.aws.rollout
    new_version: str | None = None
    """ARN of the newest version of the function that separates."""

    # Notifications
    topic: str | None = None
    """ARN of the topic for the end of songs."""
    sender: str | None = None
    """Sender address of e-mails; None: no e-mails."""
    webhook_secret: SecretStr | None = Field(default=None, min_length=16)
    """Signs webhooks; None: no webhooks."""
    webhook_private: bool = False
    """Whether webhooks may go to addresses that aren't public."""

    # Spending limit: see unbraid.aws.spending
    at_most_usd: float | None = Field(default=None, gt=0)
    """US dollars a month for the machines that separate songs; None: no limit."""
    usd_per_hour: float = Field(default=0.0, ge=0)
    """Price of one machine."""
    endpoint_variant: str = "all"
    wake_alarm: str = "unbraid-wake"
    separate_function: str = "unbraid-separate"
    alarms_topic: str | None = None
    """ARN of the topic of the alarms."""

    # URLs
    site: Address | None = None
    """URL of the page, which e-mails link to."""
    api_url: Address | None = None
    """URL of the HTTP API, for the canary."""
    socket_url: str | None = None
    """wss://… URL that pages connect to."""
    socket_api: str | None = None
    """https://… URL for messages to WebSocket connections."""

    # Sign-in
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None

    # Limits
    models: Names = ()
    """Models in the image; empty: all of the catalogue."""
    link_s: Seconds = HOUR
    upload_s: Seconds = DAY
    results_s: Seconds = 7 * DAY
    lease_s: Seconds = 60  # instances may be slow while they start; SageMaker reports most that die
    max_bytes: int = Field(default=2 << 30, ge=1, le=5 << 30)  # limit of one PUT to S3
    part_bytes: int = Field(default=8 << 20, ge=5 << 20, le=5 << 30)  # limits of a part in S3
    max_song_s: Seconds = 4 * HOUR
    max_attempts: int = Field(default=3, ge=1)
    max_kept: int = Field(default=100, ge=0)
    per_owner_active: int | None = Field(default=None, ge=1)
    max_batch: int = Field(default=100, ge=1)
    songs_per_hour: int = Field(default=200, ge=1)
    """Songs that each client may upload, and start, in an hour."""
    calls_per_minute: int = Field(default=600, ge=1)
    """Calls for that which each client may make in a minute."""
    proxy_secret: str | None = None
    """Secret in a header of CloudFront's calls: see unbraid.aws.addresses."""

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingError."""
        try:
            settings = cls()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise SettingError(f"{PREFIX}{name.upper()} is invalid: {first['msg']}.") from None
        if (settings.oidc_issuer is None) != (settings.oidc_client_id is None):
            raise SettingError(f"Sign-in needs both {PREFIX}OIDC_ISSUER and {PREFIX}OIDC_CLIENT_ID.")
        if settings.endpoint is not None and settings.queue_url is not None:
            raise SettingError(f"Songs go to {PREFIX}ENDPOINT or to {PREFIX}QUEUE_URL; set one of them.")
        if settings.songs_per_hour < settings.max_batch:
            raise SettingError(f"{PREFIX}SONGS_PER_HOUR must be at least {PREFIX}MAX_BATCH.")
        return settings

    @property
    def limits(self) -> Limits:
        """The limits of sessions, from the settings of the same names."""
        named = {
            field.name: getattr(self, field.name) for field in fields(Limits) if hasattr(self, field.name)
        }
        return Limits(**{**named, "models": self.models or None})

    @property
    def signs_in(self) -> bool:
        """Whether users have to sign in."""
        return self.oidc_issuer is not None

    @property
    def notify_rights(self) -> NotifyRights:
        """Which notifications users may request. Strangers may not: they could have e-mails sent to any address."""
        return NotifyRights(self.sender is not None, self.webhook_secret is not None, self.signs_in)
