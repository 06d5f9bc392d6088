"""Checks what is asked of a song before it waits for hours to be refused."""

from __future__ import annotations

import re
from dataclasses import replace

from unbraid.audio.formats import FORMATS
from unbraid.errors import SettingError
from unbraid.jobs.limits import Limits
from unbraid.jobs.session import Choices
from unbraid.models.auto import AUTO, FIRST_CHOICE
from unbraid.models.catalog import catalog

ALL = "all"

# Enough to catch slips and line breaks; whether an address exists only its server knows.
_ADDRESS = re.compile(r"[^\s@<>,;:\"\\]{1,64}@[^\s@<>,;:\"\\]+\.[^\s@<>,;:\"\\]+")
_ADDRESS_LENGTH = 254  # RFC 5321, 4.5.3.1.3, less the brackets


def stems_of(model: str) -> tuple[str, ...]:
    """The stems that a model of the catalogue, or `auto`, can take out of a song."""
    return catalog()[FIRST_CHOICE if model == AUTO else model].sources


def allowed_models(limits: Limits) -> list[str]:
    """Names that may be asked for, the default first."""
    return [name for name in (AUTO, *catalog()) if limits.models is None or name in limits.models]


def validate_choices(choices: Choices, limits: Limits) -> Choices:
    """The choices, once it is sure that they can be had. Raises SettingError.

    Where `auto` is not among the models allowed, the first that is stands for it: whoever says nothing of a model gets
    one.
    """
    allowed = allowed_models(limits)
    if choices.model == AUTO and AUTO not in allowed:
        choices = replace(choices, model=allowed[0])
    if choices.model not in allowed:
        raise SettingError(
            f"There is no model {choices.model!r}. Choose one of {', '.join(allowed)}.", "model"
        )
    stems = (ALL, *stems_of(choices.model))
    if choices.stems not in stems:
        raise SettingError(
            f"{choices.model} has no stem {choices.stems!r}. Choose one of {', '.join(stems)}.", "stems"
        )
    if choices.format not in FORMATS:
        raise SettingError(
            f"There is no format {choices.format!r}. Choose one of {', '.join(FORMATS)}.", "format"
        )
    if choices.notify is not None and not _is_address(choices.notify):
        raise SettingError("That is not an e-mail address. Write it like name@example.org.", "notify")
    return choices


def _is_address(text: str) -> bool:
    return len(text) <= _ADDRESS_LENGTH and text.isprintable() and _ADDRESS.fullmatch(text) is not None
