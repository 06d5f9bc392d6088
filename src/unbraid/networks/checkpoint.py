"""Read and write checkpoints: the state of a training run, and the averaged weights, which are shipped."""

import copy
from collections.abc import Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unbraid.files.atomic import atomic_write
from unbraid.models.lite import LiteConfig
from unbraid.networks.lite import Lite


def frozen_names(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that don't learn."""
    return frozenset(name for name, one in network.named_parameters() if not one.requires_grad)


def learnt_state(network: nn.Module, frozen: Set[str]) -> dict[str, Tensor]:
    """Return the state of a network without the parameters in `frozen`."""
    return {name: value for name, value in network.state_dict().items() if name not in frozen}


class Average:
    """Exponential moving average of a network's weights and statistics. The first updates decay faster.

    Parameters that don't learn are shared with the network.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        self.frozen = frozen_names(network)
        shared = {id(one): one for one in network.parameters() if not one.requires_grad}
        self.network = copy.deepcopy(network, shared).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        live = network.state_dict()
        for name, value in learnt_state(self.network, self.frozen).items():
            if value.is_floating_point():
                value.lerp_(live[name], 1 - decay)
            else:
                value.copy_(live[name])


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    with atomic_write(path) as file:
        torch.save(content, file)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU. Accepts only tensors and plain values."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def save_average(path: Path, network: Lite) -> None:
    """Write only the weights in float16, as the start of a training run. An eighth of a checkpoint's size."""
    halves = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    write(path, {"config": asdict(network.config), "average": halves})


def averaged_network(path: Path) -> Lite:
    """Load the averaged weights of a checkpoint into a network in evaluation mode."""
    content = load(path)
    network = Lite(LiteConfig(**content["config"]))
    network.load_state_dict(content["average"])
    return network.eval()
