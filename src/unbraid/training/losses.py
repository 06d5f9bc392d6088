"""Loss functions: SDR of the spectrogram, and L1 distance of the waveforms."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unbraid.training.families import bins_per_pooled
from unbraid.training.mixtures import Target
from unbraid.training.stft import waveforms

STEM_WEIGHTS = (1.0, 1.0, 1.0, 2.0)  # of SOURCES: vocals are the hardest stem and the most wanted one
# For a voice over a backing, only the stem of the voice is known. The masks sum to one, so the accompaniment has the
# same error, and its loss would differ only by a constant. This weight is that of both.
BACKED_WEIGHT = 4.0
# Share of the mixture's energy that counts as silence: -13 dB. It sets the cost of leakage into silent stems. With
# -25 dB the network learnt to suppress all voices (vocals had 0.1 dB after 900 steps).
SILENCE = 0.05
NOTHING = 1e-6  # energy far below one audible frame; keeps the losses finite if all stems are silent


def error_power(masks: Tensor, target: Target) -> Tensor:
    """Mean energy of the error in each pooled bin, (batch, stems, 2, POOLED, frames)."""
    error = masks.square() * target.mixture_power - 2 * masks * target.cross + target.power
    return error.clamp_min(0)


class Energies(NamedTuple):
    """Energies summed over channels, bins and frames: (batch, stems) each, and (batch, 1) for the mixture."""

    error: Tensor
    reference: Tensor
    mixture: Tensor


def error_energy(masks: Tensor, target: Target) -> Energies:
    """Energies of the error, the reference stems and the mixture."""
    weight = bins_per_pooled(target.family, masks.device)
    parts = (error_power(masks, target), target.power, target.mixture_power)
    return Energies(*((part * weight).sum((2, 3, 4)) for part in parts))


def spectrum_loss(
    masks: Tensor,
    target: Target,
    stem_weights: Sequence[float] = STEM_WEIGHTS,
    silence: float | Sequence[float] = SILENCE,
) -> Tensor:
    """Negative SDR of the spectrogram in nepers, with a floor at silence (after Wisdom et al., arXiv 2006.12701).

    The loss uses energies, because an uncertain voice then has its minimum at an intermediate mask. With magnitudes,
    the minimum would be at zero, and the network would learn to be silent. `silence` is the floor's share of the
    mixture's energy, for all stems or for each.
    """
    error, reference, mixture = error_energy(masks, target)
    floor = torch.as_tensor(silence, device=mixture.device) * mixture + NOTHING
    loss = torch.log((error + floor) / (reference + floor))  # (batch, stems)
    weights = torch.tensor(stem_weights, device=loss.device)
    voice_only = weights * 0
    voice_only[-1] = BACKED_WEIGHT
    backed = target.known.sum(1, keepdim=True) < len(stem_weights)
    return (loss * torch.where(backed, voice_only, weights)).sum(1).mean() / weights.sum()


def waveform_loss(masks: Tensor, target: Target, items: int) -> Tensor:
    """L1 distance of the waveforms relative to the mixture, for the first `items` of the batch."""
    estimate = waveforms(
        target.family.unpool(masks[:items]) * target.mixture[:items, None], target.stems.shape[-1]
    )
    stems = target.stems[:items]
    error = (estimate - stems).abs() * target.known[:items, :, None, None]
    return error.mean() / stems.sum(1).abs().mean().clamp_min(NOTHING) * stems.shape[1]
