"""Choose stems, and keep them from clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from unbraid.errors import SettingError, SongWarning
from unbraid.separation.arrays import Floats

ClipMode = Literal["rescale", "clamp", "none"]
CLIP_MODES: tuple[ClipMode, ...] = get_args(ClipMode)

# The second of two stems. rest: the mixture minus the stem, so that both add up to the mixture and keep what lies above
# the network's bandwidth. sum: the sum of the model's other sources.
Complement = Literal["rest", "sum", "none"]
COMPLEMENTS: tuple[Complement, ...] = get_args(Complement)

# Demucs rescales or clamps louder stems to 1 % below full scale.
HEADROOM = 1.01
CLAMP = 0.99

ALL = "all"
COMPLEMENT_PREFIX = "no_"


@dataclass(frozen=True, slots=True)
class StemChoice:
    """Names of the chosen stems, their sources, and how the complement is made."""

    names: tuple[str, ...]
    sources: tuple[int, ...]
    """Indices of the model's sources that must be computed."""
    complement: Complement

    def finish(self, estimates: Floats, mixture: Floats) -> Floats:
        """Make the stems (stems, channels, n) from `estimates` (sources, channels, n) and `mixture` (channels, n)."""
        if self.complement == "rest":
            both = np.empty((2, *mixture.shape), np.float32)
            both[0] = estimates[0]
            np.subtract(mixture, estimates[0], out=both[1])
            return both
        if self.complement == "sum":
            return np.stack([estimates[0], estimates[1:].sum(axis=0)])
        return estimates


def choose_stems(name: str, sources: Sequence[str], complement: str = "rest") -> StemChoice:
    """Choose `"all"` stems, or one source and its complement. Raises SettingError for unknown names."""
    if complement not in COMPLEMENTS:
        raise SettingError(f"There is no complement {complement!r}. Choose {', '.join(COMPLEMENTS)}.")
    if name == ALL:
        return StemChoice(tuple(sources), tuple(range(len(sources))), "none")
    if name not in sources:
        raise SettingError(f"There is no stem {name!r} in this model. Choose {', '.join((ALL, *sources))}.")
    index = list(sources).index(name)
    both = (name, COMPLEMENT_PREFIX + name)
    if complement == "rest":
        return StemChoice(both, (index,), "rest")
    if complement == "sum":
        return StemChoice(both, (index, *(other for other in range(len(sources)) if other != index)), "sum")
    return StemChoice((name,), (index,), "none")


def rescale_gain(peak: float) -> float:
    """Return the gain that brings a loudest sample of `peak` below full scale, or 1."""
    return 1 / max(HEADROOM * peak, 1.0)


class Stems(Mapping[str, Floats]):
    """Separated stems: a mapping from name to float32 (channels, samples), all at `sample_rate` (Hz)."""

    def __init__(
        self, stems: Mapping[str, Floats], sample_rate: int, warnings: Sequence[SongWarning] = ()
    ) -> None:
        self._stems = dict(stems)
        self.sample_rate = sample_rate
        self.warnings = tuple(warnings)
        """Problems of the song that didn't stop the work."""

    def __getitem__(self, name: str) -> Floats:
        return self._stems[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stems)

    def __len__(self) -> int:
        return len(self._stems)

    def __repr__(self) -> str:
        return f"Stems({', '.join(self)}; {self.sample_rate} Hz)"
