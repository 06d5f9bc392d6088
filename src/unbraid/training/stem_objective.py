"""Train networks that estimate stems, such as HTDemucs and Roformers, with losses of the waveforms.

The loss is the L1 distance, as for Demucs (arXiv 2111.03600). For Roformers the L1 distance of complex spectra with
several windows is added, as in their papers (arXiv 2309.02612) and in published training code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unbraid.models import Model
from unbraid.separation.runtimes.pytorch_stems import TorchModel
from unbraid.training.dataset import Audio
from unbraid.training.mixtures import Remix, remixed

WINDOWS = (4096, 2048, 1024, 512, 256)  # samples
HOP = 147  # samples; 3.3 ms
PER_DRAW = 2  # these networks take much longer than reading and augmenting a batch
NOTHING = 1e-6


@dataclass(frozen=True)
class StemTarget:
    """Stems of a batch, (batch, stems, 2, samples). The network reads their sum."""

    stems: Tensor


@dataclass(frozen=True)
class StemBatch:
    """Stems of a batch, (batch, stems, 2, samples)."""

    audio: Tensor

    def mix(self, remix: Remix | None = None) -> StemTarget:
        """Return the stems of each mixture."""
        return StemTarget(self.audio if remix is None else remixed(self.audio, remix))


class StemObjective:
    """Losses of the stems that a network estimates."""

    def __init__(
        self, model: Model, samples: int, windows: Sequence[int] = (), rest: str | None = None
    ) -> None:
        """`model`: the network and its stems, with the name of the stem that is the rest of the song, if there is one.

        `samples`: of an item. `windows`: of the spectra that the loss compares too.
        """
        self._transform = TorchModel(model)
        self._estimated = [place for place, name in enumerate(model.sources) if name != model.rest]
        self._stems = len(model.sources)
        self._normalise = model.normalise
        self._windows = tuple(windows)
        self.longest: int | None = samples
        self.per_draw = PER_DRAW
        # Finished songs have about -16 dB of full scale.
        self.deviation = 1.0 if model.normalise else 0.15

    def for_shares(self, shares: Sequence[float]) -> Self:
        """See `Objective`. The L1 distance has no floor."""
        return self

    def stems(self, audio: Tensor, backed: NDArray[np.bool_] | None = None) -> StemBatch:
        """See `Objective`. There are no `backed` items."""
        assert backed is None or not backed.any()
        return StemBatch(audio)

    def loss(
        self, network: nn.Module, target: StemTarget, stem_weights: tuple[float, ...], bfloat16: bool
    ) -> Tensor:
        """See `Objective`. An error as large as the mixture is 1 for each distance."""
        mixture = target.stems.sum(1)
        estimate = self._estimates(network, mixture, bfloat16)
        stems = target.stems[:, self._estimated]
        weights = torch.tensor([stem_weights[place] for place in self._estimated], device=stems.device)
        loss = _distance(estimate, stems, mixture, weights)
        for window in self._windows:
            loss = loss + _distance(
                _spectra(estimate, window), _spectra(stems, window), _spectra(mixture, window), weights
            )
        return loss

    @torch.no_grad()
    def separate(self, network: nn.Module, mixture: Audio, on: torch.device) -> Audio:
        """See `Objective`. The mixture is normalised like a song."""
        audio = torch.from_numpy(mixture).to(on)
        mono = audio.mean(0)
        mean = mono.mean() if self._normalise is True else torch.zeros((), device=on)
        scale = mono.std() + 1e-8 if self._normalise else torch.ones((), device=on)
        estimate = self._estimates(network, ((audio - mean) / scale)[None], False)[0] * scale + mean
        stems = audio.new_empty((self._stems, *audio.shape))
        stems[:] = audio - estimate.sum(0)
        stems[self._estimated] = estimate
        return np.asarray(stems.cpu().numpy(), np.float32)

    def _estimates(self, network: nn.Module, mixture: Tensor, bfloat16: bool) -> Tensor:
        precision = torch.bfloat16 if bfloat16 else torch.float32
        return self._transform.stems(network, mixture, mixture.device, precision)


def _spectra(audio: Tensor, window: int) -> Tensor:
    """(..., samples) -> complex (..., bins, frames)"""
    flat = torch.stft(
        audio.flatten(0, -2),
        window,
        HOP,
        window=torch.hann_window(window, device=audio.device),
        normalized=True,
        return_complex=True,
    )
    return flat.reshape(*audio.shape[:-1], *flat.shape[-2:])


def _distance(estimate: Tensor, stems: Tensor, mixture: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the L1 distances of the stems (batch, stems, ...), relative to the mean mixture."""
    error = (estimate - stems).abs().mean([axis for axis in range(estimate.ndim) if axis != 1])
    return (error * weights).sum() / weights.sum() / mixture.abs().mean().clamp_min(NOTHING)
