"""Apply soft masks to the spectrum of a mixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.separation.spectral import Spectral

Spectrum = NDArray[np.complex64]

WINDOW_S = 0.046  # 2048 samples at 44.1 kHz: resolves the harmonics of a voice and follows its glides
TINY = np.float32(1e-12)


def masked(mixture: Floats, sample_rate: int, mask: Callable[[Spectrum, Floats, float], Floats]) -> Floats:
    """Filter `mixture` (channels, samples) with a mask from 0 to 1.

    `mask` takes the spectrum (channels, bins, frames), the frequencies of the bins in Hz and the frames per second.
    It returns an array that broadcasts to the spectrum.
    """
    n_fft = 2 ** max(3, round(np.log2(WINDOW_S * sample_rate)))
    # Overlap of 1/2: with 3/4, the repetition search would take four times as long.
    spectral = Spectral(n_fft, n_fft // 2)
    samples = mixture.shape[1]
    padded = np.pad(mixture, [(0, 0), (0, max(0, n_fft - samples))])  # the STFT mirrors n_fft / 2 samples
    spectrum: Spectrum = spectral.forward(padded).view(np.complex64)[..., 0]
    frequencies = (np.arange(spectral.bins) * sample_rate / n_fft).astype(np.float32)
    spectrum = spectrum * mask(spectrum, frequencies, sample_rate / spectral.hop)
    signal = spectral.inverse(
        np.ascontiguousarray(spectrum).view(np.float32).reshape(*spectrum.shape, 2), padded.shape[1]
    )
    return signal[:, :samples]


def wiener(source: Floats, residual: Floats) -> Floats:
    """Return the Wiener mask: the source's share of the power, from the magnitudes of source and residual."""
    power = np.square(source)
    return np.asarray(power / (power + np.square(residual) + TINY), np.float32)


def split(mixture: Floats, name: str, stem: Floats) -> dict[str, Floats]:
    """Return the stem and its complement: the mixture minus the stem."""
    return {name: stem, COMPLEMENT_PREFIX + name: mixture - stem}
