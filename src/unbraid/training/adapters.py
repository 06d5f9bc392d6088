"""Low-rank adapters, and checkpoints of activations: large networks learn with less material and less memory.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685): a frozen matrix W of a linear layer
becomes W + B A, and only B and A learn. They have so few numbers that they can hardly learn songs by heart. PyTorch
itself computes such weights (`torch.nn.utils.parametrize`), so networks need no change.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

RANK = 16
_INSIDE = ".parametrizations."  # in the name of a tensor of a weight with an adapter
_MATRIX = ".original"  # end of the name of the frozen matrix


class LowRank(nn.Module):
    """Add a product of two narrow matrices to a matrix (out, in). It is zero at first."""

    def __init__(self, matrix: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = matrix.shape
        rank = max(1, min(RANK, rows // 2, columns // 2))
        self.down = nn.Parameter(torch.randn(rank, columns, generator=generator) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, matrix: Tensor) -> Tensor:
        return matrix + self.up @ self.down


def add_adapters(modules: Iterable[nn.Module], generator: torch.Generator) -> None:
    """Freeze the matrices of all linear layers and attentions inside the modules, and add an adapter to each."""
    for inside in [one for module in modules for one in module.modules()]:
        for name, parameter in list(inside.named_parameters(recurse=False)):
            if parameter.ndim == 2:
                parameter.requires_grad_(False)
                parametrize.register_parametrization(inside, name, LowRank(parameter, generator))


def is_adapter(name: str) -> bool:
    """Whether the parameter of that name belongs to an adapter."""
    return _INSIDE in name and not name.endswith(_MATRIX)


def merged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of the network without adapters that computes the same."""
    found = {}
    for name, value in state.items():
        if _INSIDE not in name:
            found[name] = value
        elif name.endswith(_MATRIX):
            inside = name.removesuffix(_MATRIX)
            found[inside.replace(_INSIDE, ".")] = value + state[f"{inside}.0.up"] @ state[f"{inside}.0.down"]
    return found


def checkpoint_layers(layers: Iterable[nn.Module]) -> None:
    """Compute these layers again for their gradients, instead of keeping what is inside them in memory."""
    for layer in layers:
        again = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
        layer.forward = again
