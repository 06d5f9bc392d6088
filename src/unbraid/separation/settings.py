"""How a song is cut, shifted and spread over the machine, checked once."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unbraid.errors import SettingError
from unbraid.models import Model
from unbraid.separation.stream import Run

# A random shift is at most this long (Demucs' choice).
LONGEST_SHIFT_S = 0.5


@dataclass(frozen=True, slots=True)
class Quality:
    """A preset: how much segments overlap (None: as much as the model wants), and how many shifts are averaged."""

    overlap: float | None
    shifts: int


BALANCED = "balanced"
QUALITIES: Mapping[str, Quality] = MappingProxyType(
    {"fast": Quality(0.1, 0), BALANCED: Quality(None, 0), "best": Quality(0.5, 2)}
)


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a model: how it is led through a song, and what its estimate of each source counts."""

    model: Model
    length: int
    """Samples of a segment."""
    runs: tuple[Run, ...]
    weights: tuple[float, ...]
    """By source, in the order of the model's."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can set; None stands for the model's own value, or that of `quality`."""

    overlap: float | None = None
    """Share of a segment that the next reads again."""
    segment_s: float | None = None
    shifts: int | None = None
    seed: int = 0
    threads: int | None = None
    jobs: int | None = None
    quality: str = BALANCED

    def parts(self, model: Model) -> tuple[Part, ...]:
        """The networks of `model`, with all that these settings say about them. Raises SettingError."""
        if self.quality not in QUALITIES:
            raise SettingError(f"there is no quality {self.quality!r}; there is {', '.join(QUALITIES)}")
        if self.jobs is not None and self.jobs < 1:
            raise SettingError(f"the number of jobs has to be 1 or more, not {self.jobs}")
        if self.threads is not None and self.threads < 1:
            raise SettingError(f"the number of threads has to be 1 or more, not {self.threads}")
        preset = QUALITIES[self.quality]
        overlap = preset.overlap if self.overlap is None else self.overlap
        overlap = model.overlap if overlap is None else overlap
        shifts = preset.shifts if self.shifts is None else self.shifts
        if shifts < 0:
            raise SettingError(f"the number of shifts has to be 0 or more, not {shifts}")
        networks = [(member.model, member.weights) for member in model.members]
        if not networks:
            networks = [(model, dict.fromkeys(model.sources, 1.0))]
        # Every network draws its own shifts, as in Demucs, whether it is needed or not: what is left out changes
        # nothing.
        draw = random.Random(self.seed)
        parts = []
        for network, weights in networks:
            length = self._length(network, overlap)
            runs = _runs(network, length, overlap, shifts, draw)
            parts.append(Part(network, length, runs, tuple(weights[source] for source in model.sources)))
        return tuple(parts)

    def _length(self, model: Model, overlap: float) -> int:
        """Samples of a segment."""
        if not 0 <= overlap < 1:
            raise SettingError(f"the overlap has to be from 0 to below 1, not {overlap}")
        if self.segment_s is not None and not math.isfinite(self.segment_s):
            raise SettingError(f"a segment has a length in seconds, not {self.segment_s}")
        length = model.segment if self.segment_s is None else int(self.segment_s * model.sample_rate)
        shortest = model.n_fft or 1
        if length < shortest:
            raise SettingError(
                f"this model needs segments of {shortest / model.sample_rate:.2g} s or more, not {self.segment_s}"
            )
        if model.fixed_length and length > model.segment:
            raise SettingError(
                f"this model takes segments of at most {model.segment_s:.3g} s, not {self.segment_s}"
            )
        if int((1 - overlap) * length) < 1:
            raise SettingError(f"an overlap of {overlap} leaves nothing of a segment; it has to be smaller")
        return length


def _runs(model: Model, length: int, overlap: float, shifts: int, draw: random.Random) -> tuple[Run, ...]:
    """One run through the song for each shift, or a single one without."""
    surrounded = model.fixed_length is not False
    if not shifts:
        return (Run(length, overlap, 0, surrounded),)
    longest = int(LONGEST_SHIFT_S * model.sample_rate)
    # Demucs puts `longest` zeros before the song and starts to read at a random one of them.
    return tuple(Run(length, overlap, longest - draw.randint(0, longest), surrounded) for _ in range(shifts))
