"""Settings of the app on one machine: from flags of `unbraid serve`, environment variables and `.env` files.

`docs/settings.md` describes each. Variable names are the field names in capitals after `UNBRAID_`.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL

from unbraid.cores import usable_cores
from unbraid.environment import PREFIX, Names, Seconds, split_list
from unbraid.errors import SettingError
from unbraid.jobs.choices import allowed_models, ignored_models
from unbraid.jobs.limits import Limits
from unbraid.jobs.notify import NotifyRights
from unbraid.urls import LOOPBACK, secure_url

MIN_PASSWORD = 12  # characters
SCRATCH = "scratch"  # folder for temporary files in the data folder, on the disk of the stems
MIN_PART_BYTES = 5 << 20  # S3 joins no smaller parts, except the last
CORES_PER_WORKER = 4  # more cores speed up one song only a little


def _origin(value: str) -> str:
    """Validate an origin: scheme, host and port only, as browsers send it."""
    parts = urlsplit(value.rstrip("/"))
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.username
    ):
        raise ValueError("should look like https://music.example.org")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _password(value: SecretStr) -> SecretStr:
    """Validate a password that all users share."""
    if len(value.get_secret_value().strip()) < MIN_PASSWORD:
        raise ValueError(f"a password needs at least {MIN_PASSWORD} characters, such as four words")
    return value


Origin = Annotated[str, AfterValidator(_origin)]
Issuer = Annotated[str, AfterValidator(secure_url)]


class Settings(BaseSettings):
    """Every setting with its default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    # The server
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    insecure: bool = False
    public_url: Origin | None = None
    token: Annotated[SecretStr, AfterValidator(_password)] | None = None
    origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(split_list)] = ()
    proxies: Names = ()
    log_level: Literal["debug", "info", "warning", "error"] | None = None

    # Storage and models
    data: Path = Field(default_factory=lambda: user_data_path("unbraid"))
    database_url: SecretStr | None = None
    store: str | None = None
    link_secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    cache: Path | None = None
    own_models: Path | None = None
    offline: bool = False
    model_mirror: str | None = None

    # Separation
    workers: int | None = Field(None, ge=0)
    nice: int = Field(5, ge=0, le=19)
    models: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(split_list)] = None
    lease_s: Seconds = 15
    drain_s: float = Field(0, ge=0)
    max_attempts: int = Field(3, ge=1)

    # Limits
    max_bytes: int = Field(2 * 1024**3, ge=1)
    part_bytes: int = Field(8 * 1024**2, ge=1)
    max_song_s: Seconds = 4 * 3600
    keep_free_bytes: int = Field(512 * 1024**2, ge=0)
    max_batch: int = Field(100, ge=1)
    max_kept: int = Field(100, ge=0)
    per_owner_active: int | None = Field(None, ge=1)
    rate: float = Field(20.0, gt=0)
    rate_burst: int = Field(30, ge=1)
    songs_per_hour: int | None = Field(None, ge=1)

    # Expiry
    link_s: Seconds = 3600
    upload_s: Seconds = 24 * 3600
    results_s: Seconds = 7 * 24 * 3600

    # Sign-in
    oidc_issuer: Issuer | None = None
    oidc_client_id: str | None = None
    oidc_audience: str | None = None
    oidc_scopes: str = "openid"

    # E-mail
    smtp_host: str | None = None
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str | None = None
    webhook_secret: Annotated[SecretStr, Field(min_length=16)] | None = None
    webhook_private: bool = False

    @classmethod
    def load(cls, **flags: object) -> Settings:
        """Load the settings. A flag of None counts as not set. Raises SettingError.

        Precedence: flags, environment variables, `.env` in the data folder, `.env` in the current folder.
        """
        values: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
        dotenv = Path(".env")
        try:
            values["data"] = cls(_env_file=dotenv, **values).data.absolute()  # type: ignore[call-arg]
            settings = cls(_env_file=(dotenv, values["data"] / ".env"), **values)  # type: ignore[call-arg]
        except ValidationError as error:
            raise SettingError(_message(error)) from None
        settings._check()
        return settings

    def _check(self) -> None:
        """Check settings that depend on each other. Raises SettingError."""
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise SettingError("Sign-in needs both UNBRAID_OIDC_ISSUER and UNBRAID_OIDC_CLIENT_ID.")
        if self.songs_per_hour is not None and self.songs_per_hour < self.max_batch:
            raise SettingError("UNBRAID_SONGS_PER_HOUR must be at least UNBRAID_MAX_BATCH.")
        if self.store is not None and self.part_bytes < MIN_PART_BYTES:
            raise SettingError(f"With UNBRAID_STORE, UNBRAID_PART_BYTES must be at least {MIN_PART_BYTES}.")
        if self.models is not None:
            allowed_models(self.limits)  # raises if none is left
        if self.smtp_host is not None and self.mail_from is None:
            raise SettingError("E-mail needs a sender: set UNBRAID_MAIL_FROM.")
        if self.token is not None and self.signs_in:
            raise SettingError("UNBRAID_TOKEN and UNBRAID_OIDC_ISSUER exclude each other. Unset one of them.")
        if self.token is not None and self.origins:
            raise SettingError("Pages of UNBRAID_ORIGINS can't sign in by UNBRAID_TOKEN. Unset one of them.")
        if not self.on_loopback and not self.signs_in and self.token is None and not self.insecure:
            raise SettingError(
                f"On {self.host} anyone on the network could use this server. Set a password in UNBRAID_TOKEN, set up"
                " sign-in (docs/settings.md), or allow it with --insecure (UNBRAID_INSECURE=1)."
            )

    @property
    def limits(self) -> Limits:
        """The limits of sessions, from the settings of the same names."""
        limits = {field.name: getattr(self, field.name) for field in fields(Limits)}
        return Limits(**limits)

    @property
    def warnings(self) -> list[str]:
        """Lines about settings that are partly ignored."""
        return ignored_models(self.limits)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def signs_in(self) -> bool:
        """Whether each user has to sign in, at a provider."""
        return self.oidc_issuer is not None

    @property
    def notify_rights(self) -> NotifyRights:
        """Which notifications users may request: none if strangers can reach the app without signing in."""
        signed_in = self.signs_in or self.token is not None
        trusted = signed_in or self.insecure or (self.on_loopback and self.public_url is None)
        return NotifyRights(self.smtp_host is not None, self.webhook_secret is not None, trusted)

    @property
    def teaches(self) -> bool:
        """Whether users may teach models: not if strangers can reach this machine, or if it is one of several."""
        return self.notify_rights.trusted and self.store is None

    @property
    def teaches_in_aws(self) -> bool:
        """Whether users may teach in the AWS account of this machine's user: only that user, who pays for it."""
        shared = self.signs_in or self.token is not None or self.public_url is not None
        return self.teaches and self.on_loopback and not shared

    @property
    def database(self) -> str | URL:
        """URL of the database; by default a file in the data folder."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return URL.create("sqlite", database=str(self.data / "unbraid.db"))

    @property
    def objects(self) -> Path:
        """Folder of all songs and stems."""
        return self.data / "objects"

    @property
    def secret(self) -> Path:
        """File of the secret that signs links."""
        return self.data / "secret"

    @property
    def worker_count(self) -> int:
        """Number of songs separated at the same time."""
        if self.workers is not None:
            return self.workers
        return max(1, usable_cores() // CORES_PER_WORKER)

    def environment(self) -> dict[str, str]:
        """Return the settings as environment variables: `load()` in a child process gives the same settings."""
        return {PREFIX + name.upper(): _text(value) for name, value in self if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return " ".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _message(error: ValidationError) -> str:
    """Describe the first error in one line, without the value, which may be a password."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    reason = first["msg"].removeprefix("Value error, ")
    return (
        f"{PREFIX}{name.upper()} is invalid: {reason[:1].lower()}{reason[1:]}. docs/settings.md describes it."
    )
