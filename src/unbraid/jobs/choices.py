"""Checks what is asked of a song before it waits for hours to be refused."""

from __future__ import annotations

import re

from unbraid.errors import SettingError
from unbraid.jobs.session import Choices
from unbraid.models.catalog import AUTO, AUTO_CHOICE, catalog

ALL = "all"

FORMATS = ("wav", "flac", "mp3", "m4a", "opus")
"""Those of `unbraid.audio`, which would load all of FFmpeg into a process that only answers."""

# Enough to catch slips and line breaks; whether an address exists only its server knows.
_ADDRESS = re.compile(r"[^\s@<>,;:\"\\]{1,64}@[^\s@<>,;:\"\\]+\.[^\s@<>,;:\"\\]+")


def stems_of(model: str) -> tuple[str, ...]:
    """The stems that a model of the catalogue, or `auto`, can take out of a song."""
    return catalog()[AUTO_CHOICE if model == AUTO else model].sources


def check(choices: Choices, models: tuple[str, ...] | None) -> None:
    """Raise SettingError for what can't be had; `models` are those allowed, None: all of the catalogue."""
    allowed = (
        [AUTO, *catalog()] if models is None else [name for name in models if name in (AUTO, *catalog())]
    )
    if choices.model not in allowed:
        raise SettingError(f"there is no model {choices.model!r}; choose one of {', '.join(allowed)}")
    stems = (ALL, *stems_of(choices.model))
    if choices.stems not in stems:
        raise SettingError(f"{choices.model} has no stem {choices.stems!r}; choose one of {', '.join(stems)}")
    if choices.format not in FORMATS:
        raise SettingError(f"there is no format {choices.format!r}; choose one of {', '.join(FORMATS)}")
    if choices.notify is not None and not (
        len(choices.notify) <= 254 and _ADDRESS.fullmatch(choices.notify)  # RFC 5321, 4.5.3.1.3
    ):
        raise SettingError("the e-mail address to notify is not one; write it like name@example.org")
