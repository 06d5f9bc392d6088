"""Build the PyTorch network of a registered architecture."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

from unbraid.models.architectures import Architecture


def build_network(architecture: Architecture, sources: int, arguments: Mapping[str, Any]) -> nn.Module:
    """Return an untrained network for that number of sources.

    `arguments`: constructor arguments of the published class; see `unbraid.models.architectures.GraphSpec`.
    """
    module, _, name = architecture.network.rpartition(".")
    network: nn.Module = getattr(import_module(module), name)(
        sources, *(arguments[argument] for argument in architecture.network_arguments)
    )
    return network
