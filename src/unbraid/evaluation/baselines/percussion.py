"""Extract drums by harmonic-percussive separation with median filters.

FitzGerald, "Harmonic/percussive separation using median filtering" (DAFx 2010): a median along time keeps sustained
tones, a median along frequency keeps drum hits. The mask of the drums is the share of the hits in the power.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from unbraid.audio.arrays import Floats
from unbraid.evaluation.baselines.masks import Spectrum, masked, split, wiener

LENGTH = 17  # frames (0.4 s) and bins (370 Hz), as in the paper
BLOCK = 128  # rows filtered at a time; the filter needs LENGTH times their memory


def percussion(mixture: Floats, sample_rate: int) -> dict[str, Floats]:
    """Split a mixture (channels, samples) into drums and accompaniment."""
    return split(mixture, "drums", masked(mixture, sample_rate, _mask))


def _mask(spectrum: Spectrum, frequencies: Floats, frames_per_s: float) -> Floats:
    magnitude = np.abs(spectrum).mean(axis=0)
    return wiener(running_median(magnitude.T).T, running_median(magnitude))


def running_median(values: Floats) -> Floats:
    """Compute the median over LENGTH neighbours along the last axis of (rows, columns), with mirrored ends."""
    out = np.empty_like(values)
    padded = np.pad(values, [(0, 0), (LENGTH // 2, LENGTH // 2)], mode="symmetric")
    for start in range(0, len(values), BLOCK):
        block = slice(start, start + BLOCK)
        out[block] = np.median(sliding_window_view(padded[block], LENGTH, axis=1), axis=-1)
    return out
