"""The transforms of `unbraid.separation.spectral` in PyTorch, for batches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

HOPS_PER_WINDOW = 4  # the only ratio that Demucs uses
SQUARED_WINDOWS_SUM = 1.5  # sum of squared Hann windows that are a quarter of their length apart


class CentredTorchSpectral:
    """STFT and its inverse with centred edges, on the device of their input."""

    def __init__(self, n_fft: int, hop: int) -> None:
        self.n_fft = n_fft
        self.hop = hop
        self._window = torch.hann_window(n_fft)

    def forward(self, signal: Tensor) -> Tensor:
        """Spectra (b, channels, n_fft / 2 + 1, frames, 2) of a batch (b, channels, samples)."""
        padded = functional.pad(signal, (0, -signal.shape[-1] % self.hop))
        window = self._window.to(signal.device)
        spectra = torch.stft(
            padded.flatten(0, 1), self.n_fft, self.hop, window=window, normalized=True, return_complex=True
        )
        return torch.view_as_real(spectra).reshape(*signal.shape[:2], *spectra.shape[1:], 2)

    def inverse(self, spectra: Tensor, samples: int) -> Tensor:
        """Signals (..., samples) of spectra (..., n_fft / 2 + 1, frames, 2); undoes `forward`."""
        window = self._window.to(spectra.device)
        signals: Tensor = torch.istft(
            torch.view_as_complex(spectra.contiguous()).flatten(0, -3),
            self.n_fft,
            self.hop,
            window=window,
            normalized=True,
        )
        return signals[..., :samples].reshape(*spectra.shape[:-3], samples)


class TorchSpectral:
    """STFT and its inverse with Demucs's edges for one window length, on the device of their input.

    `old`: with the edges "demucs_old".
    """

    def __init__(self, n_fft: int, *, old: bool = False) -> None:
        self.n_fft = n_fft
        self.hop = n_fft // HOPS_PER_WINDOW
        self._old = old
        self._before = self.hop // 2 * 3
        self._window = torch.hann_window(n_fft)

    def forward(self, signal: Tensor) -> Tensor:
        """Transform a batch (b, channels, samples) to spectra (b, channels, n_fft / 2, frames, 2).

        A signal too short to be mirrored at its ends is padded with zeros.
        """
        samples = signal.shape[-1]
        before, after = self._before, self._before + -samples % self.hop
        zeros = before + after if self._old else max(0, after - samples + 1)
        zeros_after = min(after, zeros)
        zeros_before = zeros - zeros_after
        signal = functional.pad(signal, (zeros_before, zeros_after))
        signal = functional.pad(signal, (before - zeros_before, after - zeros_after), mode="reflect")
        spectra = torch.stft(
            signal.flatten(0, 1),
            self.n_fft,
            self.hop,
            window=self._window.to(signal.device),
            center=False,
            normalized=True,
            return_complex=True,
        )
        return torch.view_as_real(spectra[:, :-1]).reshape(*signal.shape[:2], self.n_fft // 2, -1, 2)

    def inverse(self, spectra: Tensor, samples: int) -> Tensor:
        """Transform spectra (..., n_fft / 2, frames, 2) back to signals (..., samples)."""
        window = self._window.to(spectra.device) * (self.n_fft**0.5 / SQUARED_WINDOWS_SUM)
        # Demucs leaves out the uppermost bin; irfft fills it with zero.
        frames = torch.fft.irfft(torch.complex(spectra[..., 0], spectra[..., 1]), self.n_fft, dim=-2)
        frames *= window[:, None]
        # A frame is four blocks of one hop. Block k of frame f is added to block f + k of the signal.
        blocks = frames.reshape(*frames.shape[:-2], HOPS_PER_WINDOW, self.hop, -1)
        last = HOPS_PER_WINDOW - 1
        total = functional.pad(blocks[..., 0, :, :], (0, last))
        for k in range(1, HOPS_PER_WINDOW):
            total[..., k : k + blocks.shape[-1]] += blocks[..., k, :, :]
        if self._old:
            # The first hop lacks the last block of the frame before it, in the sum of squared windows too.
            power = self._window[-self.hop :].to(spectra.device).square()
            total[..., 0] *= SQUARED_WINDOWS_SUM / (SQUARED_WINDOWS_SUM - power)
        signal = total.transpose(-1, -2).flatten(-2)
        start = 0 if self._old else self._before
        return signal[..., start : start + samples]
