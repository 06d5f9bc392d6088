"""Onset strength: how much louder the bands of the spectrum become, 100 times a second.

As in D. P. W. Ellis, "Beat Tracking by Dynamic Programming", J. New Music Research 36(1), 2007, section 3.1: the
spectrum in bands, on a logarithmic scale, its rise over time, summed over the bands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unbraid.analysis.frames import Spectra
from unbraid.audio.arrays import Floats
from unbraid.audio.resample import Resampler

FRAMES_PER_S = 100
_RATE_HZ = 16_000
_LENGTH = 512  # 32 ms, so that two strokes of a drum roll are apart
_BANDS = 24
_LOWEST_HZ = 30.0
# log(1 + SCALE * magnitude): the knee is at -60 dB of full scale, so that noise between the strokes stays small.
_SCALE = 1000.0


class OnsetStrength:
    """Onset strength of a mono stream at `sample_rate` (Hz)."""

    def __init__(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, _RATE_HZ, 1)
        self._spectra = Spectra(_LENGTH, _RATE_HZ // FRAMES_PER_S)
        self._bands = _band_starts()
        self._last: Floats = np.zeros((1, len(self._bands)), np.float32)
        self._values: list[Floats] = []

    def push(self, samples: Floats, last: bool = False) -> None:
        """Append samples (n,). `last` also reads what the resampler holds back."""
        spectra = self._spectra.push(self._resampler.push(samples[None], last)[0])
        if len(spectra):
            # Not a matrix product: its threads would take ten times the time of the sums.
            bands = np.add.reduceat(spectra, self._bands, axis=1)
            levels = np.log1p(_SCALE * bands)
            rises = np.diff(np.concatenate([self._last, levels]), axis=0)
            self._last = levels[-1:]
            self._values.append(np.maximum(rises, 0).mean(axis=1))

    @property
    def values(self) -> Floats:
        """Onset strength so far (frames,), FRAMES_PER_S."""
        return np.concatenate([np.zeros(0, np.float32), *self._values])


def _band_starts() -> NDArray[np.intp]:
    """Return the first bin of each band. Bands are evenly spaced on the mel scale, and at least one bin wide."""
    mel = np.linspace(_mel(_LOWEST_HZ), _mel(_RATE_HZ / 2), _BANDS, endpoint=False)
    edges_hz = 700 * (10 ** (mel / 2595) - 1)
    return np.unique(np.maximum(1, np.round(edges_hz * _LENGTH / _RATE_HZ))).astype(np.intp)


def _mel(frequency_hz: float) -> float:
    return 2595 * float(np.log10(1 + frequency_hz / 700))
