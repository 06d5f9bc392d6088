"""Combine several estimates of a stem in the spectrum: median, largest or smallest magnitude. Constant memory.

The estimates are transformed with a short-time Fourier transform, combined bin by bin, and transformed back by
overlap-add. The inverse is exact: estimates that are equal give themselves, to rounding.

- max, min: the bin of the estimate with the largest or smallest magnitude, with the phase of that estimate.
- median: the magnitude that half of the weight lies below and half above. The phase is that of the estimate with this
  magnitude. If the halves meet between two estimates, the magnitude is the mean of both, and the phase that of their
  sum.

The phase is therefore always one that a model estimated together with this magnitude. A phase from elsewhere, such as
that of the song, would turn quiet bins of a good estimate into an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.models.ensemble import Combine

# As in Demucs and most networks: 93 ms at 44.1 kHz, with four windows over each sample.
N_FFT, HOP = 4096, 1024
OVERLAPPING = N_FFT - HOP
# Frames that are transformed together. The frames always form the same groups, so that the result doesn't depend on
# the lengths of the blocks that are added, not even by rounding.
GROUP = 32

# Half of the weights is exact only to rounding: 0.1 + 0.2 is not half of 0.1 + 0.2 + 0.3.
TOLERANCE = 1e-9

Spectra = NDArray[np.complex128]


class SpectralCombiner:
    """Combines estimates of one stem, block by block.

    `weights` are those of the estimates, all above 0. Before the first and after the last sample, estimates are zero.
    """

    def __init__(self, combine: Combine, weights: Sequence[float], channels: int) -> None:
        self._combine = combine
        self._weights = np.array(weights)
        # Periodic Hann window, once for each direction. The squares of the four windows over a sample add up to 1.5.
        self._window = np.sin(np.pi * np.arange(N_FFT) / N_FFT) ** 2
        self._scale = (self._window**2).reshape(-1, HOP).sum(axis=0).max()
        self._estimates = np.zeros((len(weights), channels, GROUP * HOP + OVERLAPPING), np.float32)
        self._filled = OVERLAPPING  # zeros before the first sample
        self._sums = np.zeros((channels, GROUP * HOP + OVERLAPPING))
        self._skip = OVERLAPPING
        self._left = 0
        """Samples that were added and not yet returned."""

    def add(self, estimates: Floats) -> Floats:
        """Add the next samples, (estimates, channels, n). Return those that are finished: (channels, m), m may be 0."""
        finished = [np.zeros((self._estimates.shape[1], 0), np.float32)]
        self._left += estimates.shape[-1]
        while estimates.shape[-1]:
            count = min(estimates.shape[-1], self._estimates.shape[-1] - self._filled)
            self._estimates[..., self._filled : self._filled + count] = estimates[..., :count]
            self._filled += count
            estimates = estimates[..., count:]
            if self._filled == self._estimates.shape[-1]:
                finished.append(self._next_group())
        return np.concatenate(finished, axis=1)

    def finish(self) -> Floats:
        """Return all remaining samples, (channels, m)."""
        finished = [np.zeros((self._estimates.shape[1], 0), np.float32)]
        while self._left:
            self._estimates[..., self._filled :] = 0
            finished.append(self._next_group())
        return np.concatenate(finished, axis=1)

    @np.errstate(over="ignore", invalid="ignore")  # a damaged song may have samples near the largest float
    def _next_group(self) -> Floats:
        """Combine the frames in the buffer, and return their finished samples."""
        frames = np.lib.stride_tricks.sliding_window_view(self._estimates, N_FFT, axis=-1)[..., ::HOP, :]
        combined = combine_bins(self._combine, np.fft.rfft(frames * self._window), self._weights)
        waveforms = np.fft.irfft(combined, N_FFT) * (self._window / self._scale)
        for frame in range(GROUP):
            self._sums[:, frame * HOP : frame * HOP + N_FFT] += waveforms[:, frame]
        finished = self._sums[:, self._skip : GROUP * HOP][:, : self._left].astype(np.float32)
        self._left -= finished.shape[1]
        self._skip = 0
        for buffer in (self._sums, self._estimates):
            buffer[..., :OVERLAPPING] = buffer[..., -OVERLAPPING:]
        self._sums[:, OVERLAPPING:] = 0
        self._filled = OVERLAPPING
        return finished


def combine_bins(combine: Combine, spectra: Spectra, weights: NDArray[np.float64]) -> Spectra:
    """Combine `spectra` (estimates, ...) of estimates with these weights, bin by bin."""
    magnitudes = np.abs(spectra)
    if combine == "max":
        return _taken(spectra, magnitudes.argmax(axis=0))
    if combine == "min":
        return _taken(spectra, magnitudes.argmin(axis=0))
    half = weights.sum() / 2
    # The estimate up to which there is half of the weight, and the first one with more. They differ if the halves meet
    # between them.
    lower, upper = spectra[0].copy(), spectra[0].copy()
    for place, (estimate, weight) in enumerate(zip(spectra, weights, strict=True)):
        below = _weight_below(place, magnitudes, weights)
        for limit, found in ((half * (1 - TOLERANCE), lower), (half * (1 + TOLERANCE), upper)):
            np.copyto(found, estimate, where=(below < limit) & (below + weight >= limit))
    total = lower + upper
    length = np.abs(total)
    between = (np.abs(lower) + np.abs(upper)) / 2
    # The sum of opposite estimates has no phase.
    median: Spectra = np.where(length > 0, total * (between / np.where(length > 0, length, 1)), upper)
    return np.where(lower == upper, lower, median)


def _taken(spectra: Spectra, index: NDArray[np.intp]) -> Spectra:
    """Return `spectra` (n, ...) at `index` (...)."""
    return np.take_along_axis(spectra, index[None], axis=0)[0]  # type: ignore[no-any-return]


def _weight_below(
    place: int, magnitudes: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weight of the estimates with a smaller magnitude than that at `place`.

    Of equal ones, the first counts as smaller. For a few estimates this is quicker than sorting: the median of two
    stereo stems takes 2.6 instead of 4.9 s for each minute (two cores, 2026-11-29).
    """
    below: NDArray[np.float64] = np.zeros(magnitudes.shape[1:])
    for other, weight in enumerate(weights):
        if other != place:
            smaller = np.less_equal if other < place else np.less
            below += weight * smaller(magnitudes[other], magnitudes[place])
    return below
