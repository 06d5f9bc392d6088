"""The voice is what stands in the middle: a soft mask from how alike left and right are.

A source panned with gains g and h has |L - R| / (|L| + |R|) = |g - h| / (g + h), 0 in the middle and 1 at a side
or out of phase: the measure of Barry, Lawlor and Coyle, "Sound source separation: azimuth discrimination and
resynthesis" (DAFx 2004), taken at the centre alone.
"""

from __future__ import annotations

import numpy as np

from unbraid.evaluation.baselines.masks import TINY, Spectrum, masked, split
from unbraid.evaluation.multitrack import Floats

LOWEST_HZ = 200.0  # bass and bass drum stand in the middle too, and outweigh a voice below
SHARPNESS = (
    8  # a source 3 dB louder on one side (|g - h| / (g + h) = 0.17) keeps 0.83^8 = 0.22 of its amplitude
)


def centre(mixture: Floats, sample_rate: int) -> dict[str, Floats]:
    """Vocals and the rest of a stereo mixture (2, samples); of a mono one all above LOWEST_HZ is vocals."""
    return split(mixture, "vocals", masked(mixture, sample_rate, _mask))


def _mask(spectrum: Spectrum, frequencies: Floats, frames_per_s: float) -> Floats:
    left, right = spectrum[0], spectrum[-1]
    apart = np.abs(left - right) / (np.abs(left) + np.abs(right) + TINY)
    mask: Floats = (1 - np.minimum(apart, 1)) ** SHARPNESS
    mask[frequencies < LOWEST_HZ] = 0
    return mask
