"""Signal-to-distortion ratio of the Music Demixing Challenge (Mitsufuji et al., arXiv 2108.13559, eq. 1)."""

import math

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-7  # keeps the ratio of silent references finite, as in the challenge's definition


def sdr(reference: NDArray[np.float32], estimate: NDArray[np.float32]) -> float:
    """Return the SDR in dB: the energy of the reference over the energy of the error, whole song, all channels.

    Both arrays are (channels, samples). Raises ValueError if their shapes differ.
    """
    if reference.shape != estimate.shape:
        raise ValueError(f"estimate has shape {estimate.shape}, reference has shape {reference.shape}")
    signal = float(np.sum(np.square(reference, dtype=np.float64)))
    error = float(np.sum(np.square(reference.astype(np.float64) - estimate)))
    return 10 * math.log10((signal + EPSILON) / (error + EPSILON))
