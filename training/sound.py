"""Arrays of sound, and the two disjoint splits that songs, voices and recordings belong to."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unbraid.files.atomic import atomic_write

SAMPLE_RATE = 44_100

Audio = NDArray[np.float32]
"""float32, (channels, samples) or (samples,) at SAMPLE_RATE; full scale is 1.0"""

Split = Literal["train", "test"]
SPLIT_SEED: dict[Split, int] = {"train": 1, "test": 2}
"""Combined with the seed of a song or take, so that the splits differ for equal seeds."""


def add_at(track: Audio, sound: Audio, start: int, level: float = 1.0) -> None:
    """Add `sound`, scaled by `level`, to `track` in place from sample `start`. Drop samples outside it."""
    first = max(0, -start)
    last = min(sound.shape[-1], track.shape[-1] - start)
    if last > first:
        track[..., start + first : start + last] += level * sound[..., first:last]


def as_int16(sound: Audio) -> NDArray[np.int16]:
    """Convert (2, samples) float32 to (samples, 2) int16 in C order; 32768 is full scale."""
    return np.ascontiguousarray(np.clip(np.rint(sound.T * 32768.0), -32768, 32767).astype(np.int16))


def save_int16(path: Path, sound: NDArray[np.int16]) -> None:
    """Write int16 (samples, 2) as a NumPy file, atomically."""
    with atomic_write(path) as file:
        np.save(file, sound)
