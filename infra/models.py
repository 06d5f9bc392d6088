"""The models in the image, and what users may choose there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.cpu_memory import longest_song_min
from infra.own_models import is_folder, read
from unbraid.jobs.available import AvailableModels
from unbraid.models.auto import AUTO, FAST, FIRST_CHOICE
from unbraid.models.catalog import catalog, find_entry

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("spleeter", "spleeter_lite"),
    "gpu": (FIRST_CHOICE, "spleeter", "spleeter_lite"),
}
"""Models by default for each kind of machine. Functions separate with `spleeter`, because a song then costs less than
a cent and takes seconds (docs/aws-cost.md). `spleeter_lite` has the same weights, and the bundled ones."""
BUNDLED = "lite"


def known(models: Sequence[str]) -> tuple[str, ...]:
    """Return models of the catalogue by their full names, and paths of model folders, each once. Raises ValueError."""
    found = tuple(dict.fromkeys(map(_known, models)))
    for name, times in Counter(names(found)).items():
        if times > 1:
            raise ValueError(f"two models have the name {name}. Name all models that you want with --models")
    return found


def _known(model: str) -> str:
    entry = find_entry(model)
    if entry is not None and entry.name in catalog():  # and isn't one network of a bag
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
    return list(dict.fromkeys((AUTO, FAST, BUNDLED, *names(models))))


def meaning(choice: str, models: Sequence[str], stems: str = "vocals") -> str:
    """Return the model that `auto` or `fast` stands for in the image, for a stem and its complement, or for `all`."""
    return AvailableModels({BUNDLED, *models}).used(choice, stems)


def relative_work(name: str) -> float:
    """Return the work of a model, by name or folder, for all stems, as a multiple of the first choice's."""
    speed = read(Path(name)).speed if is_folder(name) else catalog()[name].speed
    return speed.all_stems / catalog()[FIRST_CHOICE].speed.all_stems


def longest_songs(models: Sequence[str], memory_mb: int) -> Mapping[str, float]:
    """Estimate the longest song in minutes that a function with that memory separates, by model."""
    found = zip(names(models), models, strict=True)
    return {name: longest_song_min(memory_mb, relative_work(model)) for name, model in found}
