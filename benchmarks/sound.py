"""Read songs as arrays, and measure the difference of two stems."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unbraid.audio.decode import Decoder
from unbraid.separation.song import resampled

RATE = 44100  # Hz, of all published models


def read(path: Path, seconds: float = np.inf) -> np.ndarray:
    """Read a song, or its first `seconds`, as (2, samples) float32 at RATE."""
    blocks, samples = [], 0
    with Decoder(path, channels=2) as decoder:
        for block in resampled(decoder, decoder.sample_rate, RATE, 2):
            blocks.append(block)
            samples += block.shape[1]
            if samples >= seconds * RATE:
                break
    return np.ascontiguousarray(np.concatenate(blocks, axis=1)[:, : int(min(samples, seconds * RATE))])


def difference_db(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the energy of the difference of two stems, in dB relative to the energy of `theirs`."""
    error = ours.astype(np.float64) - theirs
    return float(10 * np.log10(np.sum(error**2) / np.sum(theirs.astype(np.float64) ** 2) + 1e-30))
