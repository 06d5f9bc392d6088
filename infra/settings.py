"""Settings of a deployment: options of `unbraid deploy`, saved in `infra/deploy.toml` for the next time."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

STACK = "unbraid"
"""Name of the stack, and prefix of the names of its resources."""

FILE = Path(__file__).parent / "deploy.toml"


def _origin(value: str) -> str:
    parts = urlsplit(value.rstrip("/"))
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError("should look like https://music.example.org")
    return f"https://{parts.netloc.lower()}"


def _address(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise ValueError("should be an e-mail address")
    return value


Origin = Annotated[str, AfterValidator(_origin)]
Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseModel):
    """Every setting with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Origin | None = None
    """Where the page is hosted, such as Netlify. None: on CloudFront in the stack."""
    compute: Literal["gpu", "cpu"] = "gpu"
    """Separate songs on the asynchronous endpoint (gpu), or in a Lambda function (cpu)."""
    instance: Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")] = "ml.g4dn.xlarge"
    at_most: Annotated[int, Field(ge=1, le=100)] = 2
    """Maximum number of instances or concurrent functions."""
    sign_in: bool = False
    sender: Address | None = None
    """Sender of e-mail notifications. None: no e-mail."""
    alarms: Address | None = None
    """Recipient of alarms and budget warnings. None: alarms show on the dashboard only."""
    budget: Annotated[int, Field(ge=1)] = 20
    """US dollars per month."""

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if self.compute == "cpu" and self.at_most < 2:
            raise ValueError("at_most should be 2 or more with cpu, the least that Lambda allows")
        if self.sender is not None and not self.sign_in:
            raise ValueError("sender needs sign_in: otherwise strangers could send e-mail to any address")
        return self


def load(options: dict[str, object], file: Path = FILE) -> Settings:
    """Load the saved settings and override them by `options` that aren't None. Raises ValueError with one line."""
    try:
        saved = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
        return Settings.model_validate({**saved, **{k: v for k, v in options.items() if v is not None}})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} can't be read: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) + ": " if first["loc"] else ""
        raise ValueError(name + first["msg"].removeprefix("Value error, ")) from None


def save(settings: Settings, file: Path = FILE) -> None:
    """Save the settings that differ from the defaults."""
    lines = []
    for name, value in settings.model_dump(exclude_defaults=True).items():
        text = str(value).lower() if isinstance(value, bool | int) else f'"{value}"'
        lines.append(f"{name} = {text}\n")
    file.write_text("# Settings of ./unbraid deploy; docs/aws.md describes them.\n" + "".join(lines), "utf-8")
