"""All that can be set of the app on one machine: by flags of `unbraid serve`, by the environment, by files `.env`.

`docs/settings.md` describes each; the environment has the names in capitals after `UNBRAID_`.
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
from unbraid.jobs.limits import Limits
from unbraid.urls import LOOPBACK, secure_url

CORES_A_WORKER = 4  # separating gains little from more


def _origin(value: str) -> str:
    """Scheme, host and port of an address, and nothing else, as browsers send it."""
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
    origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(split_list)] = ()
    proxies: Names = ()
    log_level: Literal["debug", "info", "warning", "error"] | None = None

    # Where things are
    data: Path = Field(default_factory=lambda: user_data_path("unbraid"))
    database_url: SecretStr | None = None
    cache: Path | None = None
    offline: bool = False
    mirror: str | None = None

    # The work
    workers: int | None = Field(None, ge=0)
    models: Names = ()
    lease_s: Seconds = 15
    max_attempts: int = Field(3, ge=1)

    # Limits
    max_bytes: int = Field(2 * 1024**3, ge=1)
    max_song_s: Seconds = 4 * 3600
    keep_free_bytes: int = Field(512 * 1024**2, ge=0)
    max_batch: int = Field(100, ge=1)
    per_owner_active: int | None = Field(None, ge=1)
    rate: float = Field(20.0, gt=0)
    rate_burst: int = Field(30, ge=1)

    # How long things are kept
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

    @classmethod
    def load(cls, **flags: object) -> Settings:
        """The settings. A flag that is None was not given. Raises SettingError.

        Of two places the first that says something counts: flags, the environment, `.env` in the data folder, `.env` in
        the current folder.
        """
        given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
        here = Path(".env")
        try:
            given["data"] = cls(_env_file=here, **given).data.absolute()  # type: ignore[call-arg]
            settings = cls(_env_file=(here, given["data"] / ".env"), **given)  # type: ignore[call-arg]
        except ValidationError as error:
            raise SettingError(_told(error)) from None
        settings._check()
        return settings

    def _check(self) -> None:
        """What several settings say together. Raises SettingError."""
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise SettingError("Sign-in needs both UNBRAID_OIDC_ISSUER and UNBRAID_OIDC_CLIENT_ID.")
        if self.smtp_host is not None and self.mail_from is None:
            raise SettingError("E-mail needs a sender: set UNBRAID_MAIL_FROM.")
        if not self.on_loopback and not self.signs_in and not self.insecure:
            raise SettingError(
                f"On {self.host} everybody in the network could use this. Set up sign-in (docs/settings.md), or say"
                " --insecure if that is what you want."
            )

    @property
    def limits(self) -> Limits:
        """Those that the rules of sessions know of, which have the same names there."""
        limits = {field.name: getattr(self, field.name) for field in fields(Limits)}
        return Limits(**{**limits, "models": self.models or None})

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def signs_in(self) -> bool:
        """Whether users have to sign in."""
        return self.oidc_issuer is not None

    @property
    def sends_mail(self) -> bool:
        """Whether people may have letters sent: not by an app that strangers can reach without signing in."""
        known = self.signs_in or self.insecure or (self.on_loopback and self.public_url is None)
        return self.smtp_host is not None and known

    @property
    def database(self) -> str | URL:
        """The database's address; a file in the data folder unless another is set."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return URL.create("sqlite", database=str(self.data / "unbraid.db"))

    @property
    def objects(self) -> Path:
        """The folder of all songs and stems."""
        return self.data / "objects"

    @property
    def secret(self) -> Path:
        """The file of the secret that signs links."""
        return self.data / "secret"

    @property
    def worker_count(self) -> int:
        """How many songs are separated at once."""
        if self.workers is not None:
            return self.workers
        return max(1, usable_cores() // CORES_A_WORKER)

    def environment(self) -> dict[str, str]:
        """All of them as variables of the environment, for child processes: `load()` there gives the same."""
        return {PREFIX + name.upper(): _text(value) for name, value in self if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return " ".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _told(error: ValidationError) -> str:
    """The first thing that is wrong, in one line. Values are not repeated: one of them may be a password."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{name.upper()} can't be used: {reason[:1].lower()}{reason[1:]}. docs/settings.md describes it."
