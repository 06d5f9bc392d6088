"""Bags of small HDemucs on magnitudes, in the forms of mdx_extra and mdx_extra_q, with seeded weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from demucs.hdemucs import HDemucs
from numpy.typing import NDArray
from tests.models.published import HDEMUCS_MMI, SOURCES, Named, archive, pickled, saved_tensor
from tests.networks.peer import seeded
from torch import nn

from unbraid.models import graphs
from unbraid.models.architectures import BY_CLASS
from unbraid.models.float32_graph import float32_template
from unbraid.models.readers.quantised import BLOCK, WORDS, restore
from unbraid.networks.export_graphs import export

SMALL = {**HDEMUCS_MMI, "channels": 4, "segment": 2, "cac": False}
BITS, GROUP = 6, 8
MOST_PLAIN = 512  # numbers of a tensor that isn't quantised


@contextmanager
def small_graph(folder: Path) -> Iterator[None]:
    """Replace the graphs by one of a narrower HDemucs on magnitudes."""
    folder.mkdir()
    architecture = BY_CLASS["HDemucs"]
    (graph,) = (graph for graph in architecture.graphs if graph.name == "hdemucs_magnitudes")
    export(architecture, replace(graph, arguments={**graph.arguments, "channels": SMALL["channels"]}), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "FOLDER", folder)
        patch.setattr(graphs, "templates", cache(graphs.templates.__wrapped__))
        float32_template.cache_clear()
        yield
    float32_template.cache_clear()


def write_bag(repo: Path, name: str, networks: Mapping[str, nn.Module], quantised: Collection[str]) -> None:
    """Write networks by signature, and their bag. Quantising changes the networks' weights."""
    repo.mkdir()
    for signature, network in networks.items():
        numbers: list[NDArray[Any]] = []
        state = (_quantised if signature in quantised else _halves)(network, numbers)
        package = {
            "klass": Named("demucs.hdemucs", "HDemucs"),
            "args": (),
            "kwargs": network._init_args_kwargs[1],
            "state": state,
        }
        content = archive(pickled(package), {str(key): values for key, values in enumerate(numbers)})
        (repo / f"{signature}.th").write_bytes(content)
    (repo / f"{name}.yaml").write_text(yaml.safe_dump({"models": list(networks), "segment": 2}))


def small_network(seed: int, **arguments: Any) -> nn.Module:
    """Return a network of `demucs`."""
    return seeded(lambda: HDemucs(**{**SMALL, "sources": SOURCES, **arguments}), seed)


def _halves(network: nn.Module, numbers: list[NDArray[Any]]) -> dict[str, Any]:
    return {name: _saved(value.half().numpy(), numbers) for name, value in network.state_dict().items()}


def _saved(values: NDArray[Any], numbers: list[NDArray[Any]]) -> Any:
    numbers.append(values)
    return saved_tensor(len(numbers) - 1, values)


def _quantised(network: nn.Module, numbers: list[NDArray[Any]]) -> dict[str, Any]:
    """Quantise all large tensors to BITS bits, as diffq does."""
    quantised, others = [], []
    with torch.no_grad():
        for parameter in network.parameters():
            values = parameter.numpy()
            if values.size <= MOST_PLAIN:
                others.append(_saved(values.copy(), numbers))
                continue
            lowest, highest = float(values.min()), float(values.max())
            levels = np.round((values.reshape(-1) - lowest) / (highest - lowest) * (2**BITS - 1))
            levels = levels.astype(np.uint16)
            parameter.copy_(
                torch.from_numpy(restore(levels, np.float32(BITS), lowest, highest).reshape(values.shape))
            )
            packed: list[Any] = [None] * 14
            packed[BITS - 1] = _saved(_pack(levels, BITS), numbers)
            bits = _saved(_pack(np.full(values.size // GROUP, BITS - 2), 3), numbers)
            quantised.append((packed, (lowest, highest), bits))
    settings = {"min_size": MOST_PLAIN * 4 / 2**20, "group_size": GROUP}
    klass = Named("diffq.diffq", "DiffQuantizer")
    return {
        "quantized": quantised,
        "float16": [],
        "others": others,
        "meta": {"klass": klass, "init_kwargs": settings, "packed": True},
        "__quantized": True,
    }


def _pack(integers: NDArray[Any], bits: int) -> NDArray[np.int64]:
    padded = np.zeros(-(-len(integers) // BLOCK) * BLOCK, np.uint64)
    padded[: len(integers)] = integers
    words = padded.reshape(-1, 64, WORDS)
    rows = [
        ((words >> np.uint64(row) & np.uint64(1)) << np.arange(64, dtype=np.uint64)[:, None]).sum(1)
        for row in range(bits)
    ]
    return np.ascontiguousarray(np.stack(rows, 1), np.uint64).view(np.int64)
