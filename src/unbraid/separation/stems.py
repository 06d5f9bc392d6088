"""Which stems are asked for, and what keeps them from clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from unbraid.errors import SettingError, SongWarning
from unbraid.separation.arrays import Floats

ClipMode = Literal["rescale", "clamp", "none"]
CLIP_MODES: tuple[ClipMode, ...] = get_args(ClipMode)

# The other stem of two: what is left of the mixture, so that both add up to it and nothing above the network's
# bandwidth is lost; the sum of the model's other sources; or none.
Complement = Literal["rest", "sum", "none"]
COMPLEMENTS: tuple[Complement, ...] = get_args(Complement)

# Demucs leaves 1 % below full scale when it has to rescale or clamp; what is louder than this is what it
# touches.
HEADROOM = 1.01
CLAMP = 0.99

ALL = "all"
COMPLEMENT_PREFIX = "no_"


@dataclass(frozen=True, slots=True)
class StemChoice:
    """Names of the stems, the sources they are made of, and how the last one comes about where it is a complement."""

    names: tuple[str, ...]
    sources: tuple[int, ...]
    """Indices into the model's sources, those that have to be computed."""
    complement: Complement

    def finish(self, estimates: Floats, mixture: Floats) -> Floats:
        """Stems (stems, channels, n) from `estimates` (sources, channels, n) and the `mixture` (channels, n)."""
        if self.complement == "rest":
            both = np.empty((2, *mixture.shape), np.float32)
            both[0] = estimates[0]
            np.subtract(mixture, estimates[0], out=both[1])
            return both
        if self.complement == "sum":
            return np.stack([estimates[0], estimates[1:].sum(axis=0)])
        return estimates


def choose_stems(wanted: str, sources: Sequence[str], complement: str = "rest") -> StemChoice:
    """`"all"`, or one source and its complement. Raises SettingError for what there is not."""
    if complement not in COMPLEMENTS:
        raise SettingError(f"there is no complement {complement!r}; there is {', '.join(COMPLEMENTS)}")
    if wanted == ALL:
        return StemChoice(tuple(sources), tuple(range(len(sources))), "none")
    if wanted not in sources:
        raise SettingError(
            f"there is no stem {wanted!r} in this model; there is {', '.join((ALL, *sources))}"
        )
    index = list(sources).index(wanted)
    both = (wanted, COMPLEMENT_PREFIX + wanted)
    if complement == "rest":
        return StemChoice(both, (index,), "rest")
    if complement == "sum":
        return StemChoice(both, (index, *(other for other in range(len(sources)) if other != index)), "sum")
    return StemChoice((wanted,), (index,), "none")


def rescale_gain(peak: float) -> float:
    """One gain for all stems of a song that brings its loudest sample, `peak`, below full scale."""
    return 1 / max(HEADROOM * peak, 1.0)


class Stems(Mapping[str, Floats]):
    """Separated stems: name -> float32 (channels, samples), all at `sample_rate` (Hz)."""

    def __init__(
        self, stems: Mapping[str, Floats], sample_rate: int, warnings: Sequence[SongWarning] = ()
    ) -> None:
        self._stems = dict(stems)
        self.sample_rate = sample_rate
        self.warnings = tuple(warnings)
        """What was wrong with the song but could be coped with, one line each."""

    def __getitem__(self, name: str) -> Floats:
        return self._stems[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stems)

    def __len__(self) -> int:
        return len(self._stems)

    def __repr__(self) -> str:
        return f"Stems({', '.join(self)}; {self.sample_rate} Hz)"
