"""Choose stems, and keep them from clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.stem_names import MIXTURE, STEM_FILE_PARTS
from unbraid.audio.stem_words import REST, StemContent, is_list, joined, parse_stems
from unbraid.errors import SettingError, SongWarning

ClipMode = Literal["rescale", "clamp", "none"]
CLIP_MODES: tuple[ClipMode, ...] = get_args(ClipMode)

# Content of the second stem, if one stem is chosen by its name alone. rest: the mixture minus the stem; both add up to
# the mixture, and the rest keeps frequencies above the network's bandwidth. sum: the sum of the model's other sources.
# none: no second stem.
Complement = Literal["rest", "sum", "none"]
COMPLEMENTS: tuple[Complement, ...] = get_args(Complement)

# Name of the stem that adds the parts of a stem up to it, for models that have a stem called REST.
LEFT_OVER = "left_over"

# Stems beyond full scale are rescaled or clamped as in Demucs, with its constants. CEILING in unbraid.audio.mixing has
# the same value for another reason: lossy codecs overshoot.
HEADROOM = 1.01  # full scale over the peak of rescaled stems
CLAMP = 0.99  # largest sample of clamped stems, as a fraction of full scale


@dataclass(frozen=True, slots=True)
class StemChoice:
    """The chosen stems, and the sources that they need."""

    contents: tuple[StemContent, ...]
    sources: tuple[str, ...]
    """Sources of the model that must be computed, in its order."""
    left_over: bool = False
    """Whether the last stem is what all sources leave of the song. It isn't kept if it is silent."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the stems."""
        return tuple(content.name for content in self.contents)

    @property
    def needs_mixture(self) -> bool:
        """Whether `finish` reads the mixture."""
        return any(content.of_song for content in self.contents)

    def finish(self, estimates: Floats, mixture: Floats) -> Floats:
        """Make the stems (stems, channels, n) from `estimates` (sources, channels, n) and `mixture` (channels, n)."""
        if not self.needs_mixture and self.names == self.sources:
            return estimates
        stems = np.empty(
            (len(self.contents), *(mixture if self.needs_mixture else estimates[0]).shape), np.float32
        )
        for stem, content in zip(stems, self.contents, strict=True):
            rows = [self.sources.index(source) for source in content.sources]
            if not rows:
                stem[:] = mixture
                continue
            total = estimates[rows[0]] if len(rows) == 1 else estimates[rows].sum(axis=0)
            if content.of_song:
                np.subtract(mixture, total, out=stem)
            else:
                stem[:] = total
        return stems


def choose_stems(stems: str | Sequence[str], sources: Sequence[str], complement: str = "rest") -> StemChoice:
    """Choose stems by the words of `unbraid.audio.stem_words`. Raises SettingError for unknown names."""
    if complement not in COMPLEMENTS:
        raise SettingError(f"There is no complement {complement!r}. Choose {', '.join(COMPLEMENTS)}.")
    words = joined(stems)
    contents = parse_stems(words, sources)
    if not is_list(words) and len(contents) == 2 and contents[1].of_song:
        stem, other = contents
        if complement == "sum":
            contents = stem, StemContent(other.name, tuple(one for one in sources if one != stem.name))
        elif complement == "none":
            contents = (stem,)
    return _choice(contents, sources)


def choose_stem_file(model: str, sources: Sequence[str]) -> StemChoice:
    """Choose the tracks of a stem file. Raises SettingError unless the model has exactly its four stems."""
    check_stem_file(model, sources)
    parts = (StemContent(part, (part,)) for part in STEM_FILE_PARTS)
    return _choice((StemContent(MIXTURE, (), of_song=True), *parts), sources)


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
    contents = tuple(StemContent(source, (source,)) for source in sources)
    if rest is not None:
        return _choice(contents, sources)
    name = REST if REST not in sources else LEFT_OVER
    return StemChoice(
        (*contents, StemContent(name, tuple(sources), of_song=True)), tuple(sources), left_over=True
    )


def _choice(contents: tuple[StemContent, ...], sources: Sequence[str]) -> StemChoice:
    needed = {source for content in contents for source in content.sources}
    return StemChoice(contents, tuple(source for source in sources if source in needed))


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
