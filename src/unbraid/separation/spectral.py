"""Short-time Fourier transform and its exact inverse, in numpy, many frames at a time.

The convention is that of `torch.stft(x, n_fft, hop, hann_window(n_fft), normalized=True, center=True)` on a
signal that was first filled up with zeros to a multiple of the hop: periodic Hann window, frames centred on
multiples of the hop, ends mirrored, scaled by 1 / sqrt(n_fft). The inverse is the least-squares one (Griffin
and Lim, 1984): windowed overlap-add divided by the sum of squared windows.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from unbraid.separation.arrays import Floats


class Spectral:
    """STFT pair of one window length and hop; immutable, so threads may share it."""

    def __init__(self, n_fft: int, hop: int) -> None:
        if hop < 1 or n_fft % hop or n_fft // hop < 2:
            raise ValueError(f"the hop has to divide the window at least twice, not {n_fft} by {hop}")
        self.n_fft = n_fft
        self.hop = hop
        self.bins = n_fft // 2 + 1
        # Periodic Hann: sin^2 sampled at n_fft points of one period, so that shifted windows sum to a
        # constant.
        self._window = (np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2).astype(np.float32)
        self._scale = np.float32(n_fft**-0.5)

    def frames(self, samples: int) -> int:
        """How many frames `samples` give: one on every multiple of the hop, both ends included."""
        return -(-samples // self.hop) + 1

    def forward(self, signal: Floats) -> Floats:
        """Spectrum of `signal` (..., samples) as float32 (..., bins, frames, 2): real and imaginary part.

        `samples` has to exceed n_fft / 2, or there is nothing to mirror at the ends.
        """
        samples = signal.shape[-1]
        whole = (self.frames(samples) - 1) * self.hop
        lead = [(0, 0)] * (signal.ndim - 1)
        padded = np.pad(signal, [*lead, (0, whole - samples)])
        padded = np.pad(padded, [*lead, (self.n_fft // 2, self.n_fft // 2)], mode="reflect")
        framed = sliding_window_view(padded, self.n_fft, axis=-1)[..., :: self.hop, :]
        spectrum = np.fft.rfft(framed * (self._window * self._scale))
        return (
            np.ascontiguousarray(np.swapaxes(spectrum, -1, -2))
            .view(np.float32)
            .reshape(*spectrum.shape[:-2], self.bins, -1, 2)
        )

    def inverse(self, spectrum: Floats, samples: int) -> Floats:
        """Signal float32 (..., samples) of a spectrum (..., bins, frames, 2); undoes `forward`."""
        frames = self.frames(samples)
        if spectrum.shape[-3:] != (self.bins, frames, 2):
            raise ValueError(f"{samples} samples need {(self.bins, frames, 2)}, not {spectrum.shape[-3:]}")
        bins_last = np.swapaxes(np.ascontiguousarray(spectrum).view(np.complex64)[..., 0], -1, -2)
        framed = np.fft.irfft(np.ascontiguousarray(bins_last), self.n_fft)
        framed *= self._window * np.float32(1 / self._scale)
        # A frame is `ratio` blocks of one hop; block k of frame f lands on block f + k of the signal.
        ratio = self.n_fft // self.hop
        blocks = framed.reshape(*framed.shape[:-1], ratio, self.hop)
        power = (self._window**2).reshape(ratio, self.hop)
        total: Floats = np.zeros((*framed.shape[:-2], frames + ratio - 1, self.hop), np.float32)
        weight = np.zeros((frames + ratio - 1, self.hop), np.float32)
        for k in range(ratio):
            total[..., k : k + frames, :] += blocks[..., k, :]
            weight[k : k + frames] += power[k]
        kept = slice(self.n_fft // 2, self.n_fft // 2 + samples)
        signal: Floats = total.reshape(*framed.shape[:-2], -1)[..., kept]
        signal /= weight.reshape(-1)[kept]
        return signal
