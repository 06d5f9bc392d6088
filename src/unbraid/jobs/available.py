"""The models where songs are separated: in this machine's cache, or in the container of an AWS account."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from unbraid.models.auto import candidates, expected_choice, is_choice, obstacle_of
from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.download import offline


@dataclass(frozen=True, slots=True)
class AvailableModels:
    """The models that are installed where songs are separated, and the model that each choice stands for there."""

    image: Collection[str] | None = None
    """Models in the container's image, which downloads nothing; None: songs are separated on this machine."""

    @property
    def downloads(self) -> bool:
        """Whether missing models are downloaded."""
        return self.image is None and not offline()

    def installed(self, entry: CatalogEntry) -> bool:
        """Return whether a model needs no download."""
        if self.image is None:
            return entry.installed
        return entry.name in self.image or (
            not entry.files and all(self.installed(member) for member in entry.members)
        )

    def used(self, choice: str, stems: str) -> str:
        """Return the model that the next song will use for a choice (a model, or `auto` and the like) and its stems."""
        if not is_choice(choice):
            return choice
        if self.image is None:
            return expected_choice(stems, choice)
        names = candidates(stems, choice)
        return next((name for name in names if self.installed(catalog()[name])), names[-1])

    def passed_over(self, choice: str, stems: str) -> dict[str, str]:
        """Return the missing models that the better ones for a choice need, each with the reason why it is missing."""
        if not is_choice(choice) or self.image is not None:
            return {}
        names = candidates(stems, choice)
        better = names[: names.index(self.used(choice, stems))]
        causes: dict[str, str] = {}
        for name in better:
            causes = {**causes, **obstacle_of(name)}
        return causes
