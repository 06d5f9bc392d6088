"""What can be chosen of a deployment: options of `unbraid deploy`, kept in `infra/deploy.toml` for the next time."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

STACK = "unbraid"
"""Name of the stack, and the first word of the names of what is in it."""

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
    """Every choice with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Origin | None = None
    """Where the page is (Netlify, say); None: CloudFront and a bucket in the stack have it."""
    compute: Literal["gpu", "cpu"] = "gpu"
    """What separates: the asynchronous endpoint, or the same image as a Lambda function."""
    instance: Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")] = "ml.g4dn.xlarge"
    at_most: Annotated[int, Field(ge=1, le=100)] = 2
    """Instances, or functions, that separate at the same time."""
    sign_in: bool = False
    sender: Address | None = None
    """Letters come from this address; None: none are sent."""
    alarms: Address | None = None
    """Who hears of alarms and of what is spent; None: alarms are only shown."""
    budget: Annotated[int, Field(ge=1)] = 20
    """US dollars a month."""

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if self.compute == "cpu" and self.at_most < 2:
            raise ValueError("at_most should be 2 or more with cpu: Lambda takes no less from a queue")
        if self.sender is not None and not self.sign_in:
            raise ValueError("sender needs sign_in: strangers could have letters sent to anybody")
        return self


def load(given: dict[str, object], file: Path = FILE) -> Settings:
    """What is in the file, and over it what is given and isn't None. Raises ValueError with one line."""
    try:
        kept = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
        return Settings.model_validate({**kept, **{k: v for k, v in given.items() if v is not None}})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} can't be read: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) + ": " if first["loc"] else ""
        raise ValueError(name + first["msg"].removeprefix("Value error, ")) from None


def keep(settings: Settings, file: Path = FILE) -> None:
    """Write what differs from the defaults, for the next time."""
    lines = []
    for name, value in settings.model_dump(exclude_defaults=True).items():
        text = str(value).lower() if isinstance(value, bool | int) else f'"{value}"'
        lines.append(f"{name} = {text}\n")
    file.write_text("# What ./unbraid deploy was told; docs/aws.md describes it.\n" + "".join(lines), "utf-8")
