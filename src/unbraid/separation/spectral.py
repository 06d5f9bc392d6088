"""Short-time Fourier transform and its exact inverse, in NumPy, a few frames at a time.

The transform equals `torch.stft(x, n_fft, hop, hann_window(n_fft), normalized=True, center=False)`: periodic Hann
window, scaled by 1 / sqrt(n_fft). The inverse is the least-squares inverse (Griffin and Lim, 1984): windowed
overlap-add, divided by the sum of squared windows. There are three conventions for the ends of the signal:

    centred   The signal is zero-padded to a multiple of the hop and mirrored at both ends. Frames are centred on the
              multiples of the hop, both ends included: ceil(samples / hop) + 1 frames.
    demucs    As in Hybrid Demucs (arXiv 2111.03600), frames align with a convolution of stride `hop`. 1.5 hops are
              mirrored on the left, and 1.5 hops plus the rest to a multiple of the hop on the right:
              ceil(samples / hop) frames. The highest bin is dropped, and zero in the inverse.
    demucs_old  As in some networks of Demucs 3 (`hybrid_old` in the published class): zeros instead of mirrored
              samples. The inverse starts 1.5 hops too early, in the zeros on the left, so that its signal is 1.5 hops
              late. Its first hop lacks the frame before it. The networks were trained with these errors.

Intermediate results stay in the processor's cache: windowing, transforming and transposing process FRAMES_PER_BLOCK
frames at a time. Writing whole spectrograms in between would take longer than the transform.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.models.folder import Edges

# With a window of 4096, these frames and their spectra take a megabyte, which fits into a core's own cache. Fewer
# frames would access the spectrogram's memory in smaller pieces.
FRAMES_PER_BLOCK = 32


class Spectral:
    """STFT and inverse for one window length, hop and convention. Immutable, so threads may share it."""

    def __init__(self, n_fft: int, hop: int, edges: Edges = "centred") -> None:
        if hop < 1 or n_fft % 2 or n_fft < 2 * hop:
            raise ValueError(
                f"the window has to be even, and two or more times the hop, not {n_fft} and {hop}"
            )
        if edges != "centred" and n_fft != 4 * hop:
            raise ValueError(
                f"with demucs' edges the hop has to be a quarter of the window, not {hop} of {n_fft}"
            )
        self.n_fft = n_fft
        self.hop = hop
        self._ratio = -(-n_fft // hop)
        self._centred = edges == "centred"
        self.bins = n_fft // 2 + 1 if self._centred else n_fft // 2
        self._old = edges == "demucs_old"
        self._before = n_fft // 2 if self._centred else hop // 2 * 3
        # Periodic Hann: sin^2 at n_fft points of one period, so that shifted windows sum to a constant.
        window = np.sin(np.pi * np.arange(n_fft) / n_fft) ** 2
        # A frame is `ratio` blocks of one hop, of which the last may be shorter; the squares of all windows over a
        # block add up to `full`.
        self._power = np.pad(window**2, (0, self._ratio * hop - n_fft)).reshape(self._ratio, hop)
        self._full = self._power.sum(axis=0)
        self._analysis = (window * n_fft**-0.5).astype(np.float32)
        self._synthesis = (window / np.tile(self._full, self._ratio)[:n_fft]).astype(np.float32)

    def frames(self, samples: int) -> int:
        """Return the number of frames for a signal of `samples`."""
        return -(-samples // self.hop) + self._centred

    def forward(self, signal: Floats, out: Floats | None = None) -> Floats:
        """Transform `signal` (..., samples) to float32 (..., bins, frames, 2): real and imaginary parts.

        `out` receives the result; it has that shape and C order. With centred edges, `samples` has to exceed n_fft / 2,
        as the ends are mirrored.
        """
        frames = self.frames(signal.shape[-1])
        if out is None:
            out = np.empty((*signal.shape[:-1], self.bins, frames, 2), np.float32)
        spectra = out.view(np.complex64)[..., 0]
        padded = self._padded(signal)
        windowed, transformed = self._scratch(frames)
        for channel in np.ndindex(signal.shape[:-1]):
            framed = sliding_window_view(padded[channel], self.n_fft)[:: self.hop]
            for first in range(0, frames, FRAMES_PER_BLOCK):
                now = slice(first, first + FRAMES_PER_BLOCK)
                count = len(framed[now])
                np.multiply(framed[now], self._analysis, out=windowed[:count])
                # In double precision, NumPy's default and the only one in its type hints. Single precision takes half
                # the time, but its errors in quiet bins beside loud ones reach -113 dB in the stems of `lite`.
                np.fft.rfft(windowed[:count], out=transformed[:count])  # type: ignore[arg-type]
                spectra[channel][:, now] = transformed[:count, : self.bins].T
        return out

    def inverse(self, spectrum: Floats, samples: int) -> Floats:
        """Transform a spectrum (..., bins, frames, 2) back to a signal, float32 (..., samples)."""
        signal: Floats = np.zeros((*spectrum.shape[:-3], samples), np.float32)
        self.add_inverse(spectrum, samples, signal)
        return signal

    def add_inverse(self, spectrum: Floats, samples: int, to: Floats) -> None:
        """Compute the `inverse` for a signal of `samples`, and add its first n samples to `to` (..., n)."""
        frames = self.frames(samples)
        if spectrum.shape[-3:] != (self.bins, frames, 2):
            raise ValueError(f"{samples} samples need {(self.bins, frames, 2)}, not {spectrum.shape[-3:]}")
        spectra = np.ascontiguousarray(spectrum).view(np.complex64)[..., 0]
        framed, transformed = self._scratch(frames)
        sums = np.empty((len(framed) + self._ratio - 1, self.hop), np.float32)
        for channel in np.ndindex(spectra.shape[:-2]):
            sums[:] = 0
            for first in range(0, frames, FRAMES_PER_BLOCK):
                count = min(FRAMES_PER_BLOCK, frames - first)
                # The bin that the demucs convention drops stays zero.
                transformed[:count, : self.bins] = spectra[channel][:, first : first + count].T
                np.fft.irfft(transformed[:count], self.n_fft, norm="ortho", out=framed[:count])  # type: ignore[arg-type]
                np.multiply(framed[:count], self._synthesis, out=framed[:count])
                # Block k of a frame is added k hops after the start of the frame.
                for k in range(self._ratio):
                    block = framed[:count, k * self.hop : (k + 1) * self.hop]
                    sums[k : k + count, : block.shape[1]] += block
                finished = count if first + count < frames else count + self._ratio - 1
                self._add_blocks(sums[:finished], first, frames, to[channel])
                sums[: self._ratio - 1] = sums[count : count + self._ratio - 1].copy()
                sums[self._ratio - 1 :] = 0

    def _add_blocks(self, blocks: Floats, first: int, frames: int, to: Floats) -> None:
        """Add final `blocks` (n, hop), numbered from `first`, to their places in the signal."""
        if self._centred and (first < self._ratio - 1 or first + len(blocks) > frames):
            blocks *= self._correction(first, len(blocks), frames)
        if self._old and first == 0:
            # The window of the missing frame before the first one is missing in the sum too.
            blocks[0] *= (self._full / (self._full - self._power[-1])).astype(np.float32)
        start = first * self.hop - (0 if self._old else self._before)
        begin, end = max(start, 0), min(start + blocks.size, to.size)
        if begin < end:
            to[begin:end] += blocks.reshape(-1)[begin - start : end - start]

    def _correction(self, first: int, count: int, frames: int) -> Floats:
        """Return the factors (count, hop) for blocks at the ends of a signal, where fewer windows overlap."""
        weight = np.zeros((count, self.hop))
        for k, power in enumerate(self._power):
            weight[max(0, k - first) : max(0, frames + k - first)] += power
        # Samples that no window covers lie outside the signal.
        correction: Floats = np.divide(self._full, weight, out=np.ones_like(weight), where=weight > 0).astype(
            np.float32
        )
        return correction

    def _scratch(self, frames: int) -> tuple[Floats, NDArray[np.complex64]]:
        """Allocate frames (n, n_fft) and zeroed spectra (n, n_fft / 2 + 1)."""
        count = min(FRAMES_PER_BLOCK, frames)
        framed = np.empty((count, self.n_fft), np.float32)
        return framed, np.zeros((count, self.n_fft // 2 + 1), np.complex64)

    def _padded(self, signal: Floats) -> Floats:
        """Pad `signal` at both ends, by the convention of this transform."""
        samples = signal.shape[-1]
        missing = -samples % self.hop
        if self._centred:
            zeros_before, zeros_after = 0, missing
            before = after = self._before
        else:
            before, after = self._before, self._before + missing
            # If the signal is too short to mirror, add zeros first: as many as possible after it, the rest before it.
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
        if self._old:
            padded[..., :before] = 0
            padded[..., end:] = 0
        else:
            padded[..., :before] = padded[..., before + 1 : 2 * before + 1][..., ::-1]
            padded[..., end:] = padded[..., end - 1 - after : end - 1][..., ::-1]
        return padded
