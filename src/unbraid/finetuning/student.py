"""A network that learns, and the graph for its weights. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from unbraid.models.graphs import GraphTemplate
from unbraid.training.adapters import is_adapter, merged
from unbraid.training.augment import Augmentation
from unbraid.training.objective import Objective


@dataclass(frozen=True)
class Variation:
    """How far the songs that a network learns from differ from the user's."""

    augmentation: Augmentation
    remixed: float
    """Share of the items that have stems of different songs."""


LARGE = Variation(Augmentation(drop_chance=0.04, stretch_chance=0.2), remixed=0.5)
# Levels stay much as they are, and most stems together. Without rehearsal, a network would learn such songs by heart.
SMALL = Variation(replace(LARGE.augmentation, gain_db=3.5), remixed=0.15)


@dataclass(frozen=True)
class Student:
    """A network to train, and the graph for its weights."""

    network: nn.Module
    objective: Objective
    template: GraphTemplate
    learning_rate: float
    relative: bool
    """Whether the learning rate is for weights with a root mean square of 1; see `Run`."""
    sizes: Mapping[str, float]
    """Root mean square of the weights that new layers take the place of, by the names of their parameters."""
    batch: int
    late: Callable[[str], bool]
    """Whether the parameter of that name is in the later layers, which also learn from little material."""
    fixed: Callable[[str], bool]
    """Whether the parameter of that name never learns: a statistic, or a matrix that has an adapter."""
    share: float = 1.0
    """Share of the learnt weights in the result; the rest are those that it began with."""
    rehearsal: float = 0.0
    """Share of `unbraid.finetuning.rehearsal` in what it learns from."""
    variation: Variation = LARGE
    samples: int | None = None
    """Length of an item of a batch; None: that for networks which estimate masks."""

    @property
    def has_adapters(self) -> bool:
        """Whether low-rank adapters learn instead of the matrices of the network."""
        return any(map(is_adapter, self.network.state_dict()))

    def arrays(self, state: dict[str, Tensor]) -> dict[str, Any]:
        """Return the tensors of a state that belong into the model folder, in their precision there."""
        complete = merged({name: value.cpu() for name, value in state.items()})
        return {
            place.name: (
                complete[place.name].half() if place.float16 else complete[place.name].float()
            ).numpy()
            for place in self.template.tensors
        }
