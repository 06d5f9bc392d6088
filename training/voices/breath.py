"""Breath sounds before phrases."""

import numpy as np

from training.voices.grid import GRID_HZ
from training.voices.singer import Singer
from training.voices.vocoder import Frames


def breath(frames: Frames, before: int, singer: Singer, rng: np.random.Generator) -> None:
    """Write an inhalation into the silent frames before frame `before`, in place, if there are enough of them."""
    available = before - 4
    if available < 30 or rng.random() < 0.35:
        return
    length = min(available, int(rng.integers(30, 90)))
    start = before - 4 - length
    octaves = np.log2(np.maximum(GRID_HZ, 60.0) / 1000.0)
    # Formants of a neutral vowel, damped by the open glottis; nothing below 300 Hz.
    shape = -3.5 * np.maximum(octaves, 0) - 14.0 * np.maximum(-octaves - 0.8, 0)
    for centre in (
        np.array([600.0, 1600.0, 2700.0, 4200.0, 7500.0]) * singer.formant_shift * rng.uniform(0.9, 1.1)
    ):
        shape = shape + rng.uniform(2, 7) * np.exp(-0.5 * ((octaves - np.log2(centre / 1000)) / 0.15) ** 2)
    rise = np.linspace(0, 1, length) ** rng.uniform(0.4, 1.0) * np.minimum(1, np.arange(length)[::-1] / 12)
    loud = singer.breath_db + rng.normal(0, 2.5) + 12.0 + 20 * np.log10(rise + 1e-3)
    rows = slice(start, start + length)
    frames.envelope_db[rows] = (shape[None, :] + loud[:, None]).astype(np.float32)
    frames.voiced[rows] = 0.0
    frames.noise[rows] = 1.0
