"""Choose stems, and keep them from clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.stem_names import (
    ALL,
    COMPLEMENT_PREFIX,
    STEM_FILE_PARTS,
    STEM_FILE_TRACKS,
    single_stems,
)
from unbraid.errors import SettingError, SongWarning

ClipMode = Literal["rescale", "clamp", "none"]
CLIP_MODES: tuple[ClipMode, ...] = get_args(ClipMode)

# Content of the second stem, if one stem is chosen. rest: the mixture minus the stem; both add up to the mixture, and
# the rest keeps frequencies above the network's bandwidth. sum: the sum of the model's other sources. none: no second
# stem.
Complement = Literal["rest", "sum", "none"]
COMPLEMENTS: tuple[Complement, ...] = get_args(Complement)

# Names of the stem that adds the parts of a stem up to it. The second is for models that have a stem of the first name.
REST = "rest"
LEFT_OVER = "left_over"

# Stems beyond full scale are rescaled or clamped as in Demucs, with its constants. CEILING in unbraid.audio.mixing has
# the same value for another reason: lossy codecs overshoot.
HEADROOM = 1.01  # full scale over the peak of rescaled stems
CLAMP = 0.99  # largest sample of clamped stems, as a fraction of full scale


@dataclass(frozen=True, slots=True)
class StemChoice:
    """The chosen stems: their names, the sources they need, and the kind of complement."""

    names: tuple[str, ...]
    sources: tuple[int, ...]
    """Indices of the model's sources that must be computed."""
    complement: Complement
    left_over: bool = False
    """Whether the last stem is what all sources leave of the mixture."""
    with_mixture: bool = False
    """Whether the first stem is the mixture itself."""

    @property
    def needs_mixture(self) -> bool:
        """Whether `finish` reads the mixture."""
        return self.left_over or self.with_mixture or self.complement == "rest"

    def finish(self, estimates: Floats, mixture: Floats) -> Floats:
        """Make the stems (stems, channels, n) from `estimates` (sources, channels, n) and `mixture` (channels, n)."""
        if self.complement == "rest":
            stems = np.empty((2, *mixture.shape), np.float32)
            stems[0] = estimates[0]
            np.subtract(mixture, estimates[0], out=stems[1])
            return stems
        if self.with_mixture:
            return np.concatenate([mixture[None], estimates])
        if self.left_over:
            return np.concatenate([estimates, (mixture - estimates.sum(axis=0))[None]])
        if self.complement == "sum":
            return np.stack([estimates[0], estimates[1:].sum(axis=0)])
        return estimates


def choose_stems(name: str, sources: Sequence[str], complement: str = "rest") -> StemChoice:
    """Choose all stems (`name` is ALL), or one source and its complement. Raises SettingError for unknown names."""
    if complement not in COMPLEMENTS:
        raise SettingError(f"There is no complement {complement!r}. Choose {', '.join(COMPLEMENTS)}.")
    if name == ALL:
        return StemChoice(tuple(sources), tuple(range(len(sources))), "none")
    choices = single_stems(sources)
    if name not in choices:
        stem = str(name).removeprefix(COMPLEMENT_PREFIX)
        if stem in choices:
            raise SettingError(f"{name} is written together with {stem}. Choose {stem}.")
        raise SettingError(f"There is no stem {name!r} in this model. Choose {', '.join((ALL, *choices))}.")
    index = list(sources).index(name)
    names = (name, COMPLEMENT_PREFIX + name)
    if complement == "rest":
        return StemChoice(names, (index,), "rest")
    if complement == "sum":
        return StemChoice(names, (index, *(other for other in range(len(sources)) if other != index)), "sum")
    return StemChoice((name,), (index,), "none")


def choose_stem_file(model: str, sources: Sequence[str]) -> StemChoice:
    """Choose the tracks of a stem file. Raises SettingError unless the model has exactly its four stems."""
    check_stem_file(model, sources)
    return StemChoice(
        STEM_FILE_TRACKS, tuple(map(list(sources).index, STEM_FILE_PARTS)), "none", with_mixture=True
    )


def check_stem_file(model: str, sources: Sequence[str]) -> None:
    """Raise SettingError unless a model with `sources` has exactly the stems of a stem file."""
    if set(sources) != set(STEM_FILE_PARTS):
        raise SettingError(
            f"A stem file needs a model of {', '.join(STEM_FILE_PARTS[:-1])} and {STEM_FILE_PARTS[-1]}; {model} has "
            f"{', '.join(sources)}. Choose another model, such as htdemucs or spleeter_4stems."
        )


def choose_parts(sources: Sequence[str], rest: str | None) -> StemChoice:
    """Choose all stems of a model such that they add up to what it separates.

    If networks estimate every source (`rest` is None), a further stem is what they leave over.
    """
    if rest is not None:
        return choose_stems(ALL, sources)
    names = (*sources, REST if REST not in sources else LEFT_OVER)
    return StemChoice(names, tuple(range(len(sources))), "none", left_over=True)


def rescale_gain(peak: float) -> float:
    """Return the gain that brings stems with this peak below full scale; 1 if none is needed."""
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
