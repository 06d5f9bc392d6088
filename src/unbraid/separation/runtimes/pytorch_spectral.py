"""The transforms of `unbraid.separation.spectral` in PyTorch, for batches, with demucs' edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FRAMES_A_WINDOW = 4  # the only ratio of window and hop that this convention knows
OVERLAPPED = 1.5  # what squared Hann windows, a quarter of their length apart, add up to


class TorchSpectral:
    """STFT pair of one window length; runs where the tensors given to it are."""

    def __init__(self, n_fft: int) -> None:
        self.n_fft = n_fft
        self.hop = n_fft // FRAMES_A_WINDOW
        self._before = self.hop // 2 * 3
        self._window = torch.hann_window(n_fft)

    def forward(self, signal: Tensor) -> Tensor:
        """Spectra (b, channels, n_fft / 2, frames, 2) of a batch (b, channels, samples).

        Where there is too little signal to be mirrored at its ends, zeros are put around it.
        """
        samples = signal.shape[-1]
        before, after = self._before, self._before + -samples % self.hop
        zeros = max(0, after - samples + 1)
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
        """Signals (..., samples) of spectra (..., n_fft / 2, frames, 2); undoes `forward`."""
        window = self._window.to(spectra.device) * (self.n_fft**0.5 / OVERLAPPED)
        # The uppermost bin, which this convention leaves out, is filled up with zero by irfft.
        frames = torch.fft.irfft(torch.complex(spectra[..., 0], spectra[..., 1]), self.n_fft, dim=-2)
        frames *= window[:, None]
        # A frame is four blocks of one hop; block k of frame f lands on block f + k of the signal.
        blocks = frames.reshape(*frames.shape[:-2], FRAMES_A_WINDOW, self.hop, -1)
        last = FRAMES_A_WINDOW - 1
        total = functional.pad(blocks[..., 0, :, :], (0, last))
        for k in range(1, FRAMES_A_WINDOW):
            total[..., k : k + blocks.shape[-1]] += blocks[..., k, :, :]
        signal = total.transpose(-1, -2).flatten(-2)
        return signal[..., self._before : self._before + samples]
