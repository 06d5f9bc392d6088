"""Short-time Fourier transform and its exact inverse, in numpy, many frames at a time.

The transform is that of `torch.stft(x, n_fft, hop, hann_window(n_fft), normalized=True, center=False)`: periodic Hann
window, scaled by 1 / sqrt(n_fft). The inverse is the least-squares one (Griffin and Lim, 1984): windowed overlap-add
divided by the sum of squared windows. Conventions differ in what they do at the ends of the signal:

    centred   the signal is filled up with zeros to a multiple of the hop and mirrored at both ends, so that frames
              are centred on the multiples of the hop, both ends included: ceil(samples / hop) + 1 frames
    demucs    that of Hybrid Demucs (arXiv 2111.03600), where a frame is what a convolution with that stride would see:
              1.5 hops are mirrored on the left, the same and what is missing to a multiple of the hop on the right, so
              that there are ceil(samples / hop) frames; the uppermost bin is left out, and zero for the inverse
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from unbraid.models.folder import Edges
from unbraid.separation.arrays import Floats


class Spectral:
    """STFT pair of one window length, hop and convention; immutable, so threads may share it."""

    def __init__(self, n_fft: int, hop: int, edges: Edges = "centred") -> None:
        if hop < 1 or n_fft % hop or n_fft // hop < 2:
            raise ValueError(f"the hop has to divide the window at least twice, not {n_fft} by {hop}")
        if edges == "demucs" and n_fft != 4 * hop:
            raise ValueError(
                f"with demucs' edges the hop has to be a quarter of the window, not {hop} of {n_fft}"
            )
        self.n_fft = n_fft
        self.hop = hop
        self._centred = edges == "centred"
        self.bins = n_fft // 2 + 1 if self._centred else n_fft // 2
        self._before = n_fft // 2 if self._centred else hop // 2 * 3
        # Periodic Hann: sin^2 sampled at n_fft points of one period, so that shifted windows sum to a
        # constant.
        self._window = (np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2).astype(np.float32)
        self._scale = np.float32(n_fft**-0.5)

    def frames(self, samples: int) -> int:
        """How many frames `samples` give."""
        return -(-samples // self.hop) + self._centred

    def forward(self, signal: Floats) -> Floats:
        """Spectrum of `signal` (..., samples) as float32 (..., bins, frames, 2): real and imaginary part.

        Centred, `samples` has to exceed n_fft / 2, or there is nothing to mirror at the ends.
        """
        framed = sliding_window_view(self._padded(signal), self.n_fft, axis=-1)[..., :: self.hop, :]
        spectrum = np.fft.rfft(framed * (self._window * self._scale))
        shape = (*signal.shape[:-1], self.bins, framed.shape[-2])
        frames_last = np.empty(shape, np.complex64)
        frames_last[...] = np.swapaxes(spectrum[..., : self.bins], -1, -2)
        return frames_last.view(np.float32).reshape(*shape, 2)

    def inverse(self, spectrum: Floats, samples: int) -> Floats:
        """Signal float32 (..., samples) of a spectrum (..., bins, frames, 2); undoes `forward`."""
        frames = self.frames(samples)
        if spectrum.shape[-3:] != (self.bins, frames, 2):
            raise ValueError(f"{samples} samples need {(self.bins, frames, 2)}, not {spectrum.shape[-3:]}")
        bins_last = np.swapaxes(np.ascontiguousarray(spectrum).view(np.complex64)[..., 0], -1, -2)
        # The bin that demucs' convention leaves out is filled up with zero by irfft.
        framed = np.fft.irfft(np.ascontiguousarray(bins_last), self.n_fft)
        framed *= self._window * np.float32(1 / self._scale)
        # A frame is `ratio` blocks of one hop; block k of frame f lands on block f + k of the signal.
        ratio = self.n_fft // self.hop
        blocks = framed.reshape(*framed.shape[:-1], ratio, self.hop)
        total: Floats = np.zeros((*framed.shape[:-2], frames + ratio - 1, self.hop), np.float32)
        for k in range(ratio):
            total[..., k : k + frames, :] += blocks[..., k, :]
        kept = slice(self._before, self._before + samples)
        signal: Floats = total.reshape(*framed.shape[:-2], -1)[..., kept]
        signal /= self._weight(frames)[kept]
        return signal

    def _weight(self, frames: int) -> Floats:
        """Sum of squared windows over the signal, mirrored ends included."""
        ratio = self.n_fft // self.hop
        power = (self._window**2).reshape(ratio, self.hop)
        if not self._centred:  # the frames left out at the ends, which are zero, have windows too
            return np.tile(power.sum(axis=0), frames + ratio - 1)
        weight = np.zeros((frames + ratio - 1, self.hop), np.float32)
        for k in range(ratio):
            weight[k : k + frames] += power[k]
        return weight.reshape(-1)

    def _padded(self, signal: Floats) -> Floats:
        """`signal` with what its convention puts before and after it."""
        samples = signal.shape[-1]
        lead = [(0, 0)] * (signal.ndim - 1)
        missing = -samples % self.hop
        if self._centred:
            signal = np.pad(signal, [*lead, (0, missing)])
            return np.pad(signal, [*lead, (self._before, self._before)], mode="reflect")
        before, after = self._before, self._before + missing
        # Where there is too little to mirror, zeros come first: after the signal as many as can, the others before it.
        zeros = max(0, max(before, after) - samples + 1)
        zeros_after = min(after, zeros)
        zeros_before = zeros - zeros_after
        if zeros:
            signal = np.pad(signal, [*lead, (zeros_before, zeros_after)])
        return np.pad(signal, [*lead, (before - zeros_before, after - zeros_after)], mode="reflect")
