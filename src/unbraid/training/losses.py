"""What the network is trained to make small."""

from typing import NamedTuple

import torch
from torch import Tensor

from unbraid.networks.lite import POOLING, unpool
from unbraid.training.mixtures import Target
from unbraid.training.stft import waveforms

STEM_WEIGHTS = (1.0, 1.0, 1.0, 2.0)  # of SOURCES: the voice is the hardest, and what most people want
# Over a backing the voice alone is known. As the shares sum to one, its error is the accompaniment's too, whose loss
# would differ by a constant: both stems' weights in one.
BACKED_WEIGHT = 4.0
# Share of the mixture's energy that counts as silence, -13 dB. The floor decides how much a leak into a silent stem
# costs: with -25 dB the network learnt never to let a voice through (vocals 0.1 dB after 900 steps).
SILENCE = 0.05
NOTHING = 1e-6  # energy, far below that of one audible frame: where all stems rest there is nothing to lose


def error_power(masks: Tensor, target: Target) -> Tensor:
    """Mean energy of the error in each pooled bin, (batch, stems, 2, POOLED, frames)."""
    error = masks.square() * target.mixture_power - 2 * masks * target.cross + target.power
    return error.clamp_min(0)


class Energies(NamedTuple):
    """Of a batch's stems, summed over channels, bins and frames: (batch, stems) each, the mixture's (batch, 1)."""

    error: Tensor
    reference: Tensor
    mixture: Tensor


def error_energy(masks: Tensor, target: Target) -> Energies:
    """What masks leave wrong, beside what there was to find."""
    weight = _bins_per_pooled(masks)
    parts = (error_power(masks, target), target.power, target.mixture_power)
    return Energies(*((part * weight).sum((2, 3, 4)) for part in parts))


def spectrum_loss(masks: Tensor, target: Target) -> Tensor:
    """Negative SDR of the spectrogram in nepers, with a floor at silence (after Wisdom et al., arXiv 2006.12701).

    Energies, not magnitudes: where a voice is only suspected, the least energy is lost by a mask in between, while
    the least magnitude is lost by none at all, and the network would learn to keep silent.
    """
    error, reference, mixture = error_energy(masks, target)
    floor = SILENCE * mixture + NOTHING
    loss = torch.log((error + floor) / (reference + floor))  # (batch, stems)
    weights = torch.tensor(STEM_WEIGHTS, device=loss.device)
    backed = weights * 0
    backed[-1] = BACKED_WEIGHT
    whole = target.known.sum(1, keepdim=True) < len(STEM_WEIGHTS)
    return (loss * torch.where(whole, backed, weights)).sum(1).mean() / weights.sum()


def waveform_loss(masks: Tensor, target: Target, items: int) -> Tensor:
    """L1 distance of the waveforms relative to the mixture's, on the first `items` of the batch."""
    estimate = waveforms(unpool(masks[:items]) * target.mixture[:items, None], target.stems.shape[-1])
    stems = target.stems[:items]
    error = (estimate - stems).abs() * target.known[:items, :, None, None]
    return error.mean() / stems.sum(1).abs().mean().clamp_min(NOTHING) * stems.shape[1]


def _bins_per_pooled(like: Tensor) -> Tensor:
    """How many bins each pooled bin stands for, shaped to multiply (..., POOLED, frames)."""
    widths = [float(width) for width, count in POOLING for _ in range(count)]
    return torch.tensor(widths, device=like.device)[:, None]
