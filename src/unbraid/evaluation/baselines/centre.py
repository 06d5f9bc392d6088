"""Extract the voice from the centre of the stereo image, with a soft mask from the similarity of left and right.

A source with the panning gains g and h has |L - R| / (|L| + |R|) = |g - h| / (g + h): 0 at the centre, 1 if it is on
one side or out of phase. This is the measure of Barry, Lawlor and Coyle, "Sound source separation: azimuth
discrimination and resynthesis" (DAFx 2004), used for the centre only.
"""

from __future__ import annotations

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.evaluation.baselines.masks import TINY, Spectrum, masked, split

LOWEST_HZ = 200.0  # below this, bass and bass drum dominate the centre
# A source 3 dB louder on one side (|g - h| / (g + h) = 0.17) keeps 0.83^8 = 0.22 of its amplitude.
SHARPNESS = 8


def centre(mixture: Floats, sample_rate: int) -> dict[str, Floats]:
    """Split a mixture (channels, samples) into vocals and accompaniment. Mono above LOWEST_HZ is all vocals."""
    return split(mixture, "vocals", masked(mixture, sample_rate, _mask))


def _mask(spectrum: Spectrum, frequencies: Floats, frames_per_s: float) -> Floats:
    left, right = spectrum[0], spectrum[-1]
    difference = np.abs(left - right) / (np.abs(left) + np.abs(right) + TINY)
    mask: Floats = (1 - np.minimum(difference, 1)) ** SHARPNESS
    mask[frequencies < LOWEST_HZ] = 0
    return mask
