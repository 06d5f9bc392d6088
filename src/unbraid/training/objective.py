"""What a training run needs to know about a kind of network: its batches, its loss, and how it separates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, device, nn

from unbraid.training.dataset import Audio
from unbraid.training.mixtures import Remix


class Mixable(Protocol):
    """Stems of a batch, ready to be mixed."""

    def mix(self, remix: Remix | None = None) -> Any:
        """Return a batch of mixtures with their stems, for the loss of the same objective."""


class Objective(Protocol):
    """How networks of a kind are trained."""

    @property
    def deviation(self) -> float:
        """Standard deviation of the mixtures that the network reads, in training."""

    @property
    def per_draw(self) -> int:
        """Batches of mixtures from the same stems."""

    @property
    def longest(self) -> int | None:
        """Samples that the network reads at most; None: as many as there are."""

    def for_shares(self, shares: Sequence[float]) -> Self:
        """Return the objective for songs in which the stems have these shares of the energy."""

    def stems(self, audio: Tensor, backed: NDArray[np.bool_] | None = None) -> Mixable:
        """Prepare stems (batch, stems, 2, samples). Only the voice is known in `backed` items."""

    def loss(
        self, network: nn.Module, target: Any, stem_weights: tuple[float, ...], bfloat16: bool
    ) -> Tensor:
        """Return the loss of a batch. `bfloat16`: compute the network in mixed precision."""

    def separate(self, network: nn.Module, mixture: Audio, on: device) -> Audio:
        """Separate a mixture (2, samples) into stems (stems, 2, samples)."""
