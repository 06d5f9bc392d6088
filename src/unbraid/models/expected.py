"""What the catalogue says of models that may have to be downloaded, so that wrong options are refused before."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from unbraid.models.auto import candidates, is_choice
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.ensemble import (
    MEAN,
    Weights,
    check_ensemble,
    checked_combine,
    common_stems,
    single,
    unusable,
)
from unbraid.models.find import entry_of, models_in, repo_of

Sources = tuple[str, ...]


def possible_sources(name: str, stems: str | None = None, repo: Path | None = None) -> list[Sources]:
    """Return the stems of each model that `name` may stand for, the first choice first; empty if they are unknown.

    `name`, `stems` and `repo` are those of `find_model`. Raises SettingError if `name` is an ensemble of models that
    share no stem, and ModelError if no model answers a question.
    """
    listed = [_entries(one, stems, repo) for one in models_in(name, repo)]
    if len(listed) == 1:
        return [entry.sources for entry in listed[0]]
    found: list[Sources] = []
    problem: ValueError | None = None
    for models in product(*listed):
        try:
            found.append(tuple(common_stems([one.name for one in models], [one.sources for one in models])))
        except ValueError as error:
            problem = problem or error
    if problem is not None and not found:
        raise unusable(name, problem) from problem
    return found


def check_together(name: str, combine: str | None, weights: Weights | None, repo: Path | None = None) -> None:
    """Raise SettingError if the catalogue knows that the models of `name` can't be combined in this way."""
    if combine is not None:
        checked_combine(combine)
    listed = [_entries(one, None, repo) for one in models_in(name, repo)]
    models: Sequence[CatalogEntry] = ()
    if len(listed) > 1:
        models = [entries[0] for entries in listed if len(entries) == 1]
        if len(models) < len(listed):
            return  # the models are known when they are loaded
    elif listed[0] and (combine is not None or weights is not None):
        if not any(entry.ensemble for entry in listed[0]):
            raise single(name)
        models = listed[0][0].members
    try:
        if twice := [one.name for place, one in enumerate(models) if one in models[:place]]:
            raise ValueError(f"{twice[0]} is in it twice")
        if models:
            sources = [one.sources for one in models]
            check_ensemble([one.name for one in models], sources, combine or MEAN, weights)
    except ValueError as error:
        raise unusable(name, error) from error


def _entries(name: str, stems: str | None, repo: Path | None) -> Sequence[CatalogEntry]:
    """Return the models of the catalogue that a name without `+` may stand for; none for another model."""
    if repo_of(name, repo) is not None:
        return []
    if is_choice(name):
        return [catalog()[one] for one in candidates(stems, name)]
    entry = entry_of(name)
    return [] if entry is None else [entry]
