"""The models in the image, and what users may choose there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.cpu_memory import longest_song_min
from unbraid.jobs.available import AvailableModels
from unbraid.models.auto import FIRST_CHOICE, ORDERS
from unbraid.models.catalog import catalog, find_entry

DEFAULT = (FIRST_CHOICE, "spleeter", "spleeter_lite")
"""All of these fit into a function with the 3,008 MB of a new account, and together are 160 MB."""
BUNDLED = "lite"


def in_catalog(names: Sequence[str]) -> tuple[str, ...]:
    """Return models of the catalogue by their full names, each once. Raises ValueError."""
    entries = {name: find_entry(name) for name in names}
    unknown = [name for name, entry in entries.items() if entry is None]
    if unknown:
        raise ValueError(f"there is no model {unknown[0]}; choose from {', '.join(catalog())}")
    return tuple(dict.fromkeys(entry.name for entry in entries.values() if entry is not None))


def offered(models: Sequence[str]) -> list[str]:
    """Return what users may choose: `auto`, `fast`, the bundled model and the models in the image."""
    return list(dict.fromkeys((*ORDERS, BUNDLED, *models)))


def meaning(choice: str, models: Sequence[str]) -> str:
    """Return the model that `auto` or `fast` stands for in the image, for all stems."""
    return AvailableModels({BUNDLED, *models}).used(choice, "all")


def longest_songs(models: Sequence[str], memory_mb: int) -> Mapping[str, float]:
    """Estimate the longest song in minutes that a function with that memory separates, by model."""
    known = longest_song_min(memory_mb) * catalog()[FIRST_CHOICE].speed.all_stems
    return {name: known / catalog()[name].speed.all_stems for name in models}
