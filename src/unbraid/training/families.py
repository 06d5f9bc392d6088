"""How networks that estimate masks are trained: their masks, their frequency axis, and the level of their input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unbraid.models.lite import FRAMES_MULTIPLE as LITE_FRAMES
from unbraid.models.lite import POOLING
from unbraid.models.spleeter import NETWORK_BINS
from unbraid.networks import lite, spleeter


@dataclass(frozen=True)
class Family:
    """A family of networks."""

    masks: Callable[[nn.Module, Tensor], Tensor]
    """Spectrum (batch, 2, BINS, frames, 2) -> masks (batch, stems, 2, POOLED, frames)."""
    pool: Callable[[Tensor], Tensor]
    """Average power in each bin of the masks: (..., BINS, frames) -> (..., POOLED, frames)."""
    unpool: Callable[[Tensor], Tensor]
    """Spread masks to all bins: (..., POOLED, frames) -> (..., BINS, frames)."""
    widths: tuple[float, ...]
    """Number of bins in each bin of the masks."""
    frames_multiple: int
    deviation: float
    """Standard deviation of the mixtures that the network reads, in training."""
    scaled: bool
    """Whether songs are scaled to `deviation` before the network; otherwise they keep their level."""


def _lite_masks(network: nn.Module, spectrum: Tensor) -> Tensor:
    assert isinstance(network, lite.Lite)
    return network.pooled_masks(spectrum)


def _spleeter_masks(network: nn.Module, spectrum: Tensor) -> Tensor:
    assert isinstance(network, spleeter.Spleeter)
    return network.masks(spectrum)


def _lower(power: Tensor) -> Tensor:
    return power[..., :NETWORK_BINS, :]


LITE = Family(
    _lite_masks,
    lite.pool,
    lite.unpool,
    tuple(float(width) for width, count in POOLING for _ in range(count)),
    LITE_FRAMES,
    deviation=1.0,
    scaled=True,
)
# Finished songs have about -16 dB of full scale.
SPLEETER = Family(
    _spleeter_masks,
    _lower,
    spleeter.continued,
    (1.0,) * NETWORK_BINS,
    spleeter.FRAMES_MULTIPLE,
    deviation=0.15,
    scaled=False,
)


def bins_per_pooled(family: Family, device: torch.device) -> Tensor:
    """Number of bins in each bin of the masks, shaped to multiply (..., POOLED, frames)."""
    return torch.tensor(family.widths, device=device)[:, None]
