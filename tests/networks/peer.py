"""Helpers for the networks of `demucs` 4.1.0, the reference for ours."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def seeded(make: Callable[[], Network], seed: int = 0) -> Network:
    """Make a network with float16 weights, as published, and layer scales large enough for every branch to matter.

    The same seed gives the same weights.
    """
    torch.manual_seed(seed)
    network = make()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("scale"):
                parameter.fill_(0.3)
            elif name.endswith("bias") or ".norm" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
            parameter.copy_(parameter.half().float())
    network.eval()
    return network


def music(samples: int, batch: int = 1) -> Tensor:
    """Make a chord with a beat of noise, (batch, 2, samples)."""
    random = np.random.default_rng(3)
    t = np.arange(samples) / 44100
    chord = sum(np.sin(2 * np.pi * f * t + p) for f, p in ((110, 0), (220.5, 1), (331, 2), (3000, 3)))
    beat = random.standard_normal((batch, 2, samples)) * np.exp(-20 * (t % 0.5))
    return torch.from_numpy((0.1 * chord + 0.2 * beat).astype(np.float32))


def spectrum(peer: nn.Module, mixture: Tensor) -> Tensor:
    """Compute the spectrum with the reference, (b, 2, 2048, frames, 2)."""
    return torch.view_as_real(peer._spec(mixture))


def stems(peer: nn.Module, outputs: Mapping[str, ArrayLike]) -> Tensor:
    """Add the inverse transforms of the spectra to the waveforms, (b, sources, 2, n)."""
    waveforms, spectra = (torch.tensor(np.asarray(outputs[name])) for name in ("waveforms", "spectra"))
    inverse: Tensor = peer._ispec(torch.view_as_complex(spectra.contiguous()), waveforms.shape[-1])
    return waveforms + inverse


def error_db(estimate: Tensor, expected: Tensor) -> float:
    """Energy of the difference relative to the expected energy, for the worst source."""
    error = (estimate - expected).square().sum((0, 2, 3)) / expected.square().sum((0, 2, 3))
    return float(10 * error.max().log10())
