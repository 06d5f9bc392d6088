"""Settings of a deployment: options of `unbraid deploy`, saved in `infra/deploy.toml` for the next time."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.cpu_memory import LEAST_MB, MOST_MB
from infra.models import DEFAULTS, known
from unbraid.aws.prices import USD_PER_HOUR

STACK = "unbraid"
"""Name of the stack by default. `infra.names` derives the names of its resources from the name that is set."""

FOLDER = Path(__file__).parent

NO_PAGE = "https://page.invalid"
"""Origin while there is no page. No browser can open it (RFC 2606), so no page may call."""

USD_PER_GB_HOUR, USD_PER_DISK_GB_HOUR = 1.66667e-5 * 3600, 3.09e-8 * 3600
"""Prices of the memory of a function with an x86 processor, and of its disk."""

BEFORE_CPU = {"compute": "gpu"}
"""Settings of a saved file without a kind of machine: it is from the time when gpu was the default and wasn't saved."""

ONLY_WITH = {"instance": "gpu", "memory": "cpu", "keep_warm": "cpu"}
"""Settings of one kind of machine."""


def _origin(value: str) -> str:
    parts = urlsplit(value.rstrip("/"))
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError("should look like https://music.example.org")
    return f"https://{parts.netloc.lower()}"


def _name(value: str) -> str:
    # With hyphens, the resources of "unbraid-page" could have the names of those of "unbraid". The sign-in page's
    # domain may not contain these words.
    if not re.fullmatch(r"[a-z][a-z0-9]*", value) or re.search("aws|amazon|cognito", value):
        raise ValueError(
            "should be lower-case letters and digits, such as unbraidtest, without aws or amazon"
        )
    return value


def _address(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise ValueError("should be an e-mail address")
    return value


Origin = Annotated[str, AfterValidator(_origin)]
Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseModel):
    """Every setting with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=20), AfterValidator(_name)] = STACK
    """Name of the stack, with which the names of all its resources begin."""
    site: Origin | None = None
    """Where the page is hosted, such as Netlify. None: on CloudFront, or nowhere yet."""
    cloudfront: bool = False
    """Whether the page is on CloudFront, in a stack of its own."""
    compute: Literal["cpu", "gpu"] = "cpu"
    """Separate songs in a Lambda function (cpu), or on the asynchronous endpoint (gpu)."""
    instance: Annotated[str, Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$")] = "ml.g4dn.xlarge"
    at_most: Annotated[int, Field(ge=1, le=100)] = 2
    """Maximum number of instances or concurrent functions."""
    memory: Annotated[int, Field(ge=LEAST_MB, le=MOST_MB)] = MOST_MB
    """Memory of the function in MB (cpu), which decides its speed. New accounts may get only 3,008."""
    keep_warm: bool = False
    """Call the function (cpu) every few minutes, so that a song doesn't wait for its start."""
    models: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(known)] | None = None
    """Models in the image that were chosen, beside the bundled `lite`. None: those by default, see `image_models`."""
    sign_in: bool = False
    sender: Address | None = None
    """Sender of e-mail notifications. None: no e-mail."""
    webhooks: bool = False
    """Whether users may request webhooks."""
    alarms: Address | None = None
    """Recipient of alarms and budget warnings. None: alarms show on the dashboard only."""
    budget: Annotated[int, Field(ge=1)] = 20
    """US dollars per month."""

    at_most_usd: Annotated[int, Field(ge=1)] | None = None
    """US dollars per month for the machines that separate songs, which stop then. None: no limit."""
    usd_per_hour: Annotated[float, Field(gt=0)] | None = None
    """Price of one machine, for `at_most_usd`. None: the price in N. Virginia."""

    songs_per_hour: Annotated[int, Field(ge=100)] = 200
    """Songs that each client may upload, and start, in an hour: at least a batch (`unbraid.jobs.limits`)."""

    canary: bool = False
    """Separate a second of sound on a schedule, and raise an alarm if that fails."""

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if self.site is not None and self.cloudfront:
            raise ValueError("choose one of site and cloudfront for the page")
        if self.compute == "cpu" and self.at_most < 2:
            raise ValueError("at_most should be 2 or more with cpu, the least that Lambda allows")
        unknown = self.compute == "gpu" and self.instance not in USD_PER_HOUR
        if self.at_most_usd is not None and self.usd_per_hour is None and unknown:
            raise ValueError(f"at_most_usd needs usd_per_hour, the price of {self.instance} in your region")
        if self.canary and self.sign_in:
            raise ValueError("canary can't sign in: use it without sign_in")
        if self.sender is not None and not self.sign_in:
            raise ValueError("sender needs sign_in: otherwise strangers could send e-mail to any address")
        if self.webhooks and not self.sign_in:
            raise ValueError("webhooks needs sign_in: otherwise strangers could send requests to any server")
        return self

    @property
    def image_models(self) -> tuple[str, ...]:
        """Models in the image, beside the bundled `lite`."""
        return self.models or DEFAULTS[self.compute]


def page_name(name: str) -> str:
    """Return the name of the page's stack of a deployment."""
    return f"{name}-page"


def saved_at(name: str) -> Path:
    """Return the file with the settings of the deployment of that name."""
    return FOLDER / ("deploy.toml" if name == STACK else f"deploy-{name}.toml")


def load(options: dict[str, object], file: Path | None = None) -> Settings:
    """Load the saved settings and override them by `options` that aren't None. Raises ValueError with one line.

    The option `model` adds to the models in the image. `file`: by default the one of the name in `options`.
    """
    options = dict(options)
    added = options.pop("model", None)
    try:
        # Validate the name before it is used in a path.
        name = Settings.model_validate({"name": options.get("name") or STACK}).name
        file = file or saved_at(name)
        saved = BEFORE_CPU | tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
        # The page moves from one place to the other.
        for chosen, other in (("site", "cloudfront"), ("cloudfront", "site")):
            if options.get(chosen):
                saved.pop(other, None)
        together = {**saved, **{k: v for k, v in options.items() if v is not None}}
        settings = Settings.model_validate(together)
        if isinstance(added, list):
            settings = Settings.model_validate({**together, "models": (*settings.image_models, *added)})
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} can't be read: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) + ": " if first["loc"] else ""
        raise ValueError(name + first["msg"].removeprefix("Value error, ")) from None
    for name, compute in ONLY_WITH.items():
        # A saved one stays for the time when that kind of machine is chosen again.
        if options.get(name) and settings.compute != compute:
            raise ValueError(f"{name} needs compute {compute}, and this deployment has {settings.compute}")
    return settings


def save(settings: Settings, file: Path | None = None) -> None:
    """Save the settings that differ from the defaults, except the name, which is in the file's name.

    The kind of machine is always saved, so that an existing deployment doesn't change with the default.
    """
    file = file or saved_at(settings.name)
    lines = []
    chosen = {"compute": settings.compute, **settings.model_dump(exclude_defaults=True, exclude={"name"})}
    for name, value in chosen.items():
        # Of the types of the settings, JSON writes what TOML reads.
        lines.append(f"{name} = {json.dumps(value)}\n")
    file.write_text("# Settings of ./unbraid deploy; docs/aws.md describes them.\n" + "".join(lines), "utf-8")
