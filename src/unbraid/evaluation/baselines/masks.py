"""Soft masks on the spectrum of a mixture, and the way there and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unbraid.evaluation.multitrack import Floats
from unbraid.separation.spectral import Spectral

Spectrum = NDArray[np.complex64]

WINDOW_S = 0.046  # 2048 samples at 44.1 kHz: tells the harmonics of a voice apart and follows its glides
TINY = np.float32(1e-12)


def masked(mixture: Floats, sample_rate: int, mask: Callable[[Spectrum, Floats, float], Floats]) -> Floats:
    """`mixture` (channels, samples) filtered by a mask from 0 to 1.

    `mask` takes the spectrum (channels, bins, frames), the bins' frequencies in Hz and the frames per second; what
    it gives has to fit on the spectrum.
    """
    n_fft = 2 ** max(3, round(np.log2(WINDOW_S * sample_rate)))
    spectral = Spectral(n_fft, n_fft // 2)  # half overlap: a quarter of the work of searching with 3/4
    samples = mixture.shape[1]
    padded = np.pad(mixture, [(0, 0), (0, max(0, n_fft - samples))])  # the ends can't be mirrored otherwise
    spectrum: Spectrum = spectral.forward(padded).view(np.complex64)[..., 0]
    frequencies = (np.arange(spectral.bins) * sample_rate / n_fft).astype(np.float32)
    spectrum = spectrum * mask(spectrum, frequencies, sample_rate / spectral.hop)
    signal = spectral.inverse(
        np.ascontiguousarray(spectrum).view(np.float32).reshape(*spectrum.shape, 2), padded.shape[1]
    )
    return signal[:, :samples]


def wiener(wanted: Floats, rest: Floats) -> Floats:
    """Share of the power that is wanted, from two magnitudes."""
    power = np.square(wanted)
    return np.asarray(power / (power + np.square(rest) + TINY), np.float32)


def split(mixture: Floats, name: str, stem: Floats) -> dict[str, Floats]:
    """The stem and its complement, which is what it leaves of the mixture."""
    return {name: stem, f"no_{name}": mixture - stem}
