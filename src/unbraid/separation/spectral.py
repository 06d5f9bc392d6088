"""Short-time Fourier transform and its exact inverse, in numpy, a few frames at a time.

The transform is that of `torch.stft(x, n_fft, hop, hann_window(n_fft), normalized=True, center=False)`: periodic Hann
window, scaled by 1 / sqrt(n_fft). The inverse is the least-squares one (Griffin and Lim, 1984): windowed overlap-add
divided by the sum of squared windows. Conventions differ in what they do at the ends of the signal:

    centred   the signal is filled up with zeros to a multiple of the hop and mirrored at both ends, so that frames
              are centred on the multiples of the hop, both ends included: ceil(samples / hop) + 1 frames
    demucs    that of Hybrid Demucs (arXiv 2111.03600), where a frame is what a convolution with that stride would see:
              1.5 hops are mirrored on the left, the same and what is missing to a multiple of the hop on the right, so
              that there are ceil(samples / hop) frames; the uppermost bin is left out, and zero for the inverse

Everything between the signal and its spectrum stays in the processor's cache: as many frames are windowed, transformed
and turned round at once as fit there. Whole spectrograms in between would cost more than the transform does.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unbraid.models.folder import Edges
from unbraid.separation.arrays import Floats

# Frames that are dealt with at once: for a window of 4096 a megabyte with their spectra, which fits into a core's own
# cache. Fewer would touch the spectrogram's memory in smaller pieces.
AT_ONCE = 32


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
        self._ratio = n_fft // hop
        self._centred = edges == "centred"
        self.bins = n_fft // 2 + 1 if self._centred else n_fft // 2
        self._before = n_fft // 2 if self._centred else hop // 2 * 3
        # Periodic Hann: sin^2 sampled at n_fft points of one period, so that shifted windows sum to a
        # constant.
        window = np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2
        # A frame is `ratio` blocks of one hop; the squares of all windows over a block add up to `full`.
        self._power = (window**2).reshape(self._ratio, hop)
        self._full = self._power.sum(axis=0)
        self._analysis = (window * n_fft**-0.5).astype(np.float32)
        self._synthesis = (window / np.tile(self._full, self._ratio)).astype(np.float32)

    def frames(self, samples: int) -> int:
        """How many frames `samples` give."""
        return -(-samples // self.hop) + self._centred

    def forward(self, signal: Floats, out: Floats | None = None) -> Floats:
        """Spectrum of `signal` (..., samples) as float32 (..., bins, frames, 2): real and imaginary part.

        `out`, of that shape and in C order, is where it goes. Centred, `samples` has to exceed n_fft / 2, or there is
        nothing to mirror at the ends.
        """
        frames = self.frames(signal.shape[-1])
        if out is None:
            out = np.empty((*signal.shape[:-1], self.bins, frames, 2), np.float32)
        spectra = out.view(np.complex64)[..., 0]
        padded = self._padded(signal)
        windowed, transformed = self._scratch(frames)
        for channel in np.ndindex(signal.shape[:-1]):
            framed = sliding_window_view(padded[channel], self.n_fft)[:: self.hop]
            for first in range(0, frames, AT_ONCE):
                now = slice(first, first + AT_ONCE)
                count = len(framed[now])
                np.multiply(framed[now], self._analysis, out=windowed[:count])
                # In double precision, as numpy does without a scale; its hints know no other. Single takes half the
                # time, but leaves errors in quiet bins beside loud ones, which lite raises to -113 dB in its stems.
                np.fft.rfft(windowed[:count], out=transformed[:count])  # type: ignore[arg-type]
                spectra[channel][:, now] = transformed[:count, : self.bins].T
        return out

    def inverse(self, spectrum: Floats, samples: int) -> Floats:
        """Signal float32 (..., samples) of a spectrum (..., bins, frames, 2); undoes `forward`."""
        signal: Floats = np.zeros((*spectrum.shape[:-3], samples), np.float32)
        self.add_inverse(spectrum, samples, signal)
        return signal

    def add_inverse(self, spectrum: Floats, samples: int, to: Floats) -> None:
        """Add to `to` (..., n) the first n of the `samples` that `inverse` gives."""
        frames = self.frames(samples)
        if spectrum.shape[-3:] != (self.bins, frames, 2):
            raise ValueError(f"{samples} samples need {(self.bins, frames, 2)}, not {spectrum.shape[-3:]}")
        spectra = np.ascontiguousarray(spectrum).view(np.complex64)[..., 0]
        framed, transformed = self._scratch(frames)
        sums = np.empty((len(framed) + self._ratio - 1, self.hop), np.float32)
        for channel in np.ndindex(spectra.shape[:-2]):
            sums[:] = 0
            for first in range(0, frames, AT_ONCE):
                count = min(AT_ONCE, frames - first)
                # The bin that demucs' convention leaves out stays zero.
                transformed[:count, : self.bins] = spectra[channel][:, first : first + count].T
                np.fft.irfft(transformed[:count], self.n_fft, norm="ortho", out=framed[:count])  # type: ignore[arg-type]
                np.multiply(framed[:count], self._synthesis, out=framed[:count])
                # Block k of a frame lands on the k-th block of one hop after the frame's first.
                for k in range(self._ratio):
                    block = slice(k * self.hop, (k + 1) * self.hop)
                    sums[k : k + count] += framed[:count, block]
                finished = count if first + count < frames else count + self._ratio - 1
                self._hand_out(sums[:finished], first, frames, to[channel])
                sums[: self._ratio - 1] = sums[count : count + self._ratio - 1].copy()
                sums[self._ratio - 1 :] = 0

    def _hand_out(self, blocks: Floats, first: int, frames: int, to: Floats) -> None:
        """Add the finished `blocks` (n, hop), of which the first is number `first`, where they belong in a signal."""
        if self._centred and (first < self._ratio - 1 or first + len(blocks) > frames):
            blocks *= self._correction(first, len(blocks), frames)
        start = first * self.hop - self._before
        begin, end = max(start, 0), min(start + blocks.size, to.size)
        if begin < end:
            to[begin:end] += blocks.reshape(-1)[begin - start : end - start]

    def _correction(self, first: int, count: int, frames: int) -> Floats:
        """What blocks at the ends of a signal, where fewer windows overlap, have to be multiplied by: (count, hop)."""
        weight = np.zeros((count, self.hop))
        for k, power in enumerate(self._power):
            weight[max(0, k - first) : max(0, frames + k - first)] += power
        # Where no window reaches is nothing that is handed out.
        correction: Floats = np.divide(self._full, weight, out=np.ones_like(weight), where=weight > 0).astype(
            np.float32
        )
        return correction

    def _scratch(self, frames: int) -> tuple[Floats, NDArray[np.complex64]]:
        """Room for frames (n, n_fft) and for their spectra (n, n_fft / 2 + 1), which are zero."""
        count = min(AT_ONCE, frames)
        framed = np.empty((count, self.n_fft), np.float32)
        return framed, np.zeros((count, self.n_fft // 2 + 1), np.complex64)

    def _padded(self, signal: Floats) -> Floats:
        """`signal` with what its convention puts before and after it."""
        samples = signal.shape[-1]
        missing = -samples % self.hop
        if self._centred:
            zeros_before, zeros_after = 0, missing
            before = after = self._before
        else:
            before, after = self._before, self._before + missing
            # Where there is too little to mirror, zeros come first: after the signal as many as can, the others before.
            zeros = max(0, max(before, after) - samples + 1)
            zeros_after = min(after, zeros)
            zeros_before = zeros - zeros_after
            before, after = before - zeros_before, after - zeros_after
        start = before + zeros_before
        end = start + samples + zeros_after
        padded = np.empty((*signal.shape[:-1], end + after), np.float32)
        padded[..., before:start] = 0
        padded[..., start : start + samples] = signal
        padded[..., start + samples : end] = 0
        padded[..., :before] = padded[..., before + 1 : 2 * before + 1][..., ::-1]
        padded[..., end:] = padded[..., end - 1 - after : end - 1][..., ::-1]
        return padded
