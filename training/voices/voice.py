"""A voice: syllables and spoken phrases as spectral envelopes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from training.sound import Split
from training.voices.grid import GRID_HZ, POINTS, FloatArray, interpolation
from unbraid.files.atomic import atomic_write

# Noise shares are stored at ten frequencies, because D4C measures them only in bands of 3 kHz.
NOISE_HZ = np.array([0, 500, 1000, 2000, 3500, 5000, 7000, 9500, 13000, 22050], np.float64)
NOISE_TO_GRID = interpolation(NOISE_HZ, GRID_HZ)  # (10, 80)


@dataclass(frozen=True)
class Unit:
    """A syllable with a single vowel, or a spoken phrase; one row per 5 ms.

    envelope_db: (frames, 80); the mean power of the vowel is 0 dB. noise: (frames, 10). voiced: (frames,), 0 or 1.
    f0_hz: (frames,), as spoken. The vowel is the frames from core_start up to core_end.
    """

    text: str
    envelope_db: FloatArray
    noise: FloatArray
    voiced: FloatArray
    f0_hz: FloatArray
    core_start: int
    core_end: int

    def __len__(self) -> int:
        return len(self.f0_hz)


@dataclass(frozen=True)
class Voice:
    """Syllables to sing and phrases to speak. `f0_hz` is the median speaking pitch."""

    name: str
    split: Split
    f0_hz: float
    syllables: Sequence[Unit]
    phrases: Sequence[Unit] = field(default=())

    @property
    def low(self) -> bool:
        """Whether the voice sings in the low range. 155 Hz is between the mean speaking pitches of men and women."""
        return self.f0_hz < 155.0

    def save(self, path: Path) -> None:
        """Write the voice as a NumPy archive with rows in half precision, atomically."""
        units = [*self.syllables, *self.phrases]
        with atomic_write(path) as file:
            np.savez(
                file,
                name=self.name,
                split=self.split,
                f0_hz=self.f0_hz,
                syllables=len(self.syllables),
                text=[unit.text for unit in units],
                spans=[(len(unit), unit.core_start, unit.core_end) for unit in units],
                envelope_db=np.concatenate([unit.envelope_db for unit in units]).astype(np.float16),
                noise=np.concatenate([unit.noise for unit in units]).astype(np.float16),
                voiced=np.concatenate([unit.voiced for unit in units]).astype(np.float16),
                unit_f0_hz=np.concatenate([unit.f0_hz for unit in units]).astype(np.float16),
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a saved voice. Raises ValueError if it has another frequency grid."""
        with np.load(path, allow_pickle=False) as stored:
            rows = {
                key: stored[key].astype(np.float32)
                for key in ("envelope_db", "noise", "voiced", "unit_f0_hz")
            }
            if rows["envelope_db"].shape[1] != POINTS:
                raise ValueError(f"{path} has another format. Delete the folder and build the voices again.")
            units = []
            start = 0
            for text, (length, core_start, core_end) in zip(stored["text"], stored["spans"], strict=True):
                span = slice(start, start + int(length))
                start += int(length)
                units.append(
                    Unit(
                        str(text),
                        rows["envelope_db"][span],
                        rows["noise"][span],
                        rows["voiced"][span],
                        rows["unit_f0_hz"][span],
                        int(core_start),
                        int(core_end),
                    )
                )
            count = int(stored["syllables"])
            split: Split = "test" if str(stored["split"]) == "test" else "train"
            return cls(str(stored["name"]), split, float(stored["f0_hz"]), units[:count], units[count:])
