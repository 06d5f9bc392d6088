"""How a song is cut, shifted and spread over the machine, checked once."""

from __future__ import annotations

import random
from dataclasses import dataclass

from unbraid.errors import SettingError
from unbraid.models import Model
from unbraid.separation.network import Network
from unbraid.separation.stream import Run

# A random shift is at most this long (Demucs' choice).
LONGEST_SHIFT_S = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings; make them with `checked`."""

    length: int
    """Samples of a segment."""
    overlap: float
    shifts: int
    seed: int

    @classmethod
    def checked(
        cls,
        model: Model,
        overlap: float | None,
        segment_s: float | None,
        shifts: int,
        seed: int,
        threads: int | None,
        jobs: int,
    ) -> Settings:
        """Settings for `model`, whose own values stand in for None. Raises SettingError."""
        overlap = model.overlap if overlap is None else overlap
        length = model.segment if segment_s is None else int(segment_s * model.sample_rate)
        shortest = model.n_fft or 1
        if length < shortest:
            raise SettingError(
                f"this model needs segments of {shortest / model.sample_rate:.2g} s or more, not {segment_s}"
            )
        if not 0 <= overlap < 1 or int((1 - overlap) * length) < 1:
            raise SettingError(f"the overlap has to be from 0 to below 1, not {overlap}")
        if shifts < 0:
            raise SettingError(f"the number of shifts has to be 0 or more, not {shifts}")
        if jobs < 1:
            raise SettingError(f"the number of jobs has to be 1 or more, not {jobs}")
        if threads is not None and threads < 1:
            raise SettingError(f"the number of threads has to be 1 or more, not {threads}")
        return cls(length, overlap, shifts, seed)

    def runs(self, network: Network, sample_rate: int) -> tuple[Run, ...]:
        """One run through the song for each shift, or a single one without."""
        if not self.shifts:
            return (Run(network, self.length, self.overlap),)
        longest = int(LONGEST_SHIFT_S * sample_rate)
        draw = random.Random(self.seed)
        # Demucs puts `longest` zeros before the song and starts to read at a random one of them.
        return tuple(
            Run(network, self.length, self.overlap, longest - draw.randint(0, longest))
            for _ in range(self.shifts)
        )
