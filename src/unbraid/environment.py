"""Types and prefix of settings from environment variables."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

PREFIX = "UNBRAID_"


def split_list(value: object) -> object:
    """Split a text at commas and spaces: `a, b c` has three names. Other values are unchanged."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
Seconds = Annotated[int, Field(ge=1)]
