"""Train networks that multiply the spectrum of a mixture with masks: `lite` and Spleeter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unbraid.training.dataset import Audio
from unbraid.training.families import LITE, Family
from unbraid.training.losses import SILENCE, spectrum_loss, waveform_loss
from unbraid.training.mixtures import Stems, Target
from unbraid.training.validate import separate

REMIXES = 5  # more batches of mixtures from the same stems
WAVEFORM_WEIGHT = 0.25
FLOOR = 0.3  # silence of a stem, of its share of the energy


@dataclass(frozen=True)
class MaskObjective:
    """The losses of `training.losses` for a family of networks. `silence`: see `spectrum_loss`."""

    family: Family = LITE
    silence: float | tuple[float, ...] = SILENCE
    per_draw: int = 1 + REMIXES
    longest: int | None = None

    @property
    def deviation(self) -> float:
        """See `Objective`."""
        return self.family.deviation

    def for_shares(self, shares: Sequence[float]) -> Self:
        """See `Objective`. A quiet stem gets a low floor, or nothing would be learnt of it."""
        return replace(self, silence=tuple(FLOOR * share for share in shares))

    def stems(self, audio: Tensor, backed: NDArray[np.bool_] | None = None) -> Stems:
        """See `Objective`."""
        return Stems(audio, backed, self.family)

    def loss(
        self, network: nn.Module, target: Target, stem_weights: tuple[float, ...], bfloat16: bool
    ) -> Tensor:
        """See `Objective`."""
        with torch.autocast(target.spectrum.device.type, torch.bfloat16, enabled=bfloat16):
            masks = self.family.masks(network, target.spectrum)
        masks = masks.float()
        loss = spectrum_loss(masks, target, stem_weights, self.silence)
        return loss + WAVEFORM_WEIGHT * waveform_loss(masks, target, items=1)

    def separate(self, network: nn.Module, mixture: Audio, on: torch.device) -> Audio:
        """See `Objective`."""
        return separate(network, mixture, on, self.family)
