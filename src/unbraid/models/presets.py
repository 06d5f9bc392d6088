"""What each quality sets for a model that has been named: the overlap of its segments, and random shifts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unbraid.models.catalog import CatalogEntry
from unbraid.models.folder import DESCRIPTION
from unbraid.models.questions import BALANCED, BEST, FAST

_USUAL = 0.25  # overlap of Demucs, Spleeter and MDX-Net
_OF_CHECKPOINTS = 0.5  # of Roformers and MDX23C, as most published configs say


@dataclass(frozen=True, slots=True)
class Preset:
    """The overlap (None for the model's) and the number of shifts."""

    overlap: float | None
    shifts: int


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {FAST: Preset(0.1, 0), BALANCED: Preset(None, 0), BEST: Preset(0.5, 2)}
)


def expected_work(entry: CatalogEntry, quality: str) -> float:
    """Return the work of a model at a quality, relative to its own overlap without shifts.

    Of several models together, the mean.
    """
    if entry.members:
        return sum(expected_work(member, quality) for member in entry.members) / len(entry.members)
    preset, own = PRESETS[quality], _overlap(entry)
    overlap = own if preset.overlap is None else preset.overlap
    return max(1, preset.shifts) * (1 - own) / (1 - overlap)


def _overlap(entry: CatalogEntry) -> float:
    """Return the overlap of an installed model, or the one that it will probably have."""
    try:
        described = json.loads((entry.place / DESCRIPTION).read_text(encoding="utf-8"))
        return float(described["overlap"])
    except (OSError, ValueError, KeyError, TypeError):
        if entry.overlap is not None:
            return entry.overlap
        return _OF_CHECKPOINTS if entry.roformer or entry.mdx23c else _USUAL
