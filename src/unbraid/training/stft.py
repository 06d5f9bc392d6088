"""STFT and inverse STFT in PyTorch, for training. Separation uses the NumPy version in `separation.spectral`."""

import torch
from torch import Tensor

from unbraid.models.lite import HOP, N_FFT


def spectra(audio: Tensor) -> Tensor:
    """STFT with a periodic Hann window, centred, scaled by 1 / sqrt(N_FFT).

    (..., samples) -> complex (..., BINS, frames)
    """
    window = torch.hann_window(N_FFT, device=audio.device)
    flat = torch.stft(
        audio.reshape(-1, audio.shape[-1]), N_FFT, HOP, window=window, normalized=True, return_complex=True
    )
    return flat.reshape(*audio.shape[:-1], *flat.shape[-2:])


def waveforms(spectrum: Tensor, samples: int) -> Tensor:
    """Inverse of `spectra`: complex (..., BINS, frames) -> (..., samples)."""
    window = torch.hann_window(N_FFT, device=spectrum.device)
    flat = torch.istft(spectrum.flatten(0, -3), N_FFT, HOP, window=window, normalized=True, length=samples)
    return flat.reshape(*spectrum.shape[:-2], samples)
