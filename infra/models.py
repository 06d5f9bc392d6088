"""The models in the image, and what users may choose there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.cpu_memory import longest_song_min
from infra.own_models import is_folder, read
from unbraid.jobs.available import AvailableModels
from unbraid.models.auto import FIRST_CHOICE, ORDERS
from unbraid.models.catalog import catalog, find_entry

DEFAULT = (FIRST_CHOICE, "spleeter", "spleeter_lite")
"""All of these fit into a function with the 3,008 MB of a new account, and together are 160 MB."""
BUNDLED = "lite"


def known(models: Sequence[str]) -> tuple[str, ...]:
    """Return models of the catalogue by their full names, and paths of model folders, each once. Raises ValueError."""
    return tuple(dict.fromkeys(map(_known, models)))


def _known(model: str) -> str:
    entry = find_entry(model)
    if entry is not None:
        return entry.name
    if is_folder(model):
        read(Path(model))
        return str(Path(model).absolute())
    raise ValueError(
        f"there is no model {model}; choose from {', '.join(catalog())}, or give the path of a model folder"
    )


def names(models: Sequence[str]) -> list[str]:
    """Return the names of models, of which some may be folders."""
    return [read(Path(model)).name if is_folder(model) else model for model in models]


def offered(models: Sequence[str]) -> list[str]:
    """Return what users may choose: `auto`, `fast`, the bundled model and the models in the image."""
    return list(dict.fromkeys((*ORDERS, BUNDLED, *names(models))))


def meaning(choice: str, models: Sequence[str]) -> str:
    """Return the model that `auto` or `fast` stands for in the image, for all stems."""
    return AvailableModels({BUNDLED, *models}).used(choice, "all")


def longest_songs(models: Sequence[str], memory_mb: int) -> Mapping[str, float]:
    """Estimate the longest song in minutes that a function with that memory separates, by model."""
    entries = catalog()
    work = longest_song_min(memory_mb) * entries[FIRST_CHOICE].speed.all_stems
    return {name: work / entries.get(name, entries[FIRST_CHOICE]).speed.all_stems for name in names(models)}
