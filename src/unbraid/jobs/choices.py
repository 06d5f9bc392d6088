"""Validate the options of a separation before the song waits in the queue."""

from __future__ import annotations

import re
from dataclasses import replace

from unbraid.audio.formats import FORMATS
from unbraid.audio.stem_names import ALL as ALL
from unbraid.audio.stem_names import single_stems
from unbraid.errors import SettingError
from unbraid.jobs.limits import Limits
from unbraid.jobs.session import Choices
from unbraid.models.auto import AUTO, ORDERS, candidates
from unbraid.models.catalog import catalog, find_entry

# Catches typing errors and line breaks. Only the mail server knows whether an address exists.
_ADDRESS = re.compile(r"[^\s@<>,;:\"\\]{1,64}@[^\s@<>,;:\"\\]+\.[^\s@<>,;:\"\\]+")
_ADDRESS_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets


def stems_of(model: str) -> tuple[str, ...]:
    """Return the stems of a model in the catalogue, of `auto` or of `fast`, that can be chosen alone."""
    every_stem = candidates(choice=model)[0] if model in ORDERS else model
    return single_stems(catalog()[every_stem].sources)


def allowed_models(limits: Limits) -> list[str]:
    """Return the names that users may choose: `auto`, `fast` and models. The default is the first."""
    names = [*ORDERS, *catalog()]
    if limits.models is None:
        return names
    allowed = {_canonical(name) for name in limits.models}
    return [name for name in names if name in allowed]


def validate_choices(choices: Choices, limits: Limits) -> Choices:
    """Return the choices if they are valid and available. Raises SettingError.

    If `auto` is not allowed, the first allowed name replaces it, so that requests without a model work. The model's
    own name replaces an alias.
    """
    allowed = allowed_models(limits)
    default = choices.model == AUTO and AUTO not in allowed
    choices = replace(choices, model=allowed[0] if default else _canonical(choices.model))
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


def _canonical(name: str) -> str:
    """Return the name of a model that may be given by an alias; other names stay."""
    entry = find_entry(name)
    return name if entry is None else entry.name


def _is_address(text: str) -> bool:
    return len(text) <= _ADDRESS_LENGTH and text.isprintable() and _ADDRESS.fullmatch(text) is not None
