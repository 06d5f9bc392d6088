"""Signal-to-distortion ratio of the Music Demixing Challenge (Mitsufuji et al., arXiv 2108.13559, eq. 1)."""

import math

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-7  # keeps silent references finite, as in the challenge's own definition


def sdr(reference: NDArray[np.float32], estimate: NDArray[np.float32]) -> float:
    """SDR in dB over the whole song and all channels: energy of the reference over that of the difference.

    Both are (channels, samples) of one shape.
    """
    if reference.shape != estimate.shape:
        raise ValueError(f"the estimate's shape {estimate.shape} is not the reference's {reference.shape}")
    signal = float(np.sum(np.square(reference, dtype=np.float64)))
    error = float(np.sum(np.square(reference.astype(np.float64) - estimate)))
    return 10 * math.log10((signal + EPSILON) / (error + EPSILON))
