"""A small MDX23C with seeded weights, as published: a checkpoint and its config."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml

from unbraid.models.mdx23c import Mdx23cSizes
from unbraid.networks.mdx23c import Mdx23c, seeded

HOP = 64
SIZES = Mdx23cSizes(
    n_fft=256,
    bins=96,
    frames=32,
    subbands=2,
    width=8,
    growth=4,
    levels=2,
    scale=(4, 2),
    blocks=2,
    bottleneck=4,
    stems=3,
)
SEGMENT = HOP * (SIZES.frames - 1)


@cache
def small_network(sizes: Mdx23cSizes = SIZES) -> Mdx23c:
    """Return a network whose matrices have values of 16 bits, as in the model folder."""
    network = seeded(sizes)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half().float()
    return network


def state_of(sizes: Mdx23cSizes = SIZES) -> dict[str, torch.Tensor]:
    """Return the published tensors."""
    return dict(small_network(sizes).state_dict())


def config_of(sizes: Mdx23cSizes = SIZES) -> dict[str, dict[str, Any]]:
    """Return a config with the sections and settings of published ones."""
    instruments = ["Vocals", "other"] if sizes.stems == 1 else ["Kick", "snare", "hh"]
    return {
        "audio": {
            "chunk_size": SEGMENT,
            "dim_f": sizes.bins,
            "dim_t": sizes.frames,
            "hop_length": HOP,
            "n_fft": sizes.n_fft,
            "num_channels": 2,
            "sample_rate": 44_100,
            "min_mean_abs": 0.001,
        },
        "model": {
            "act": "gelu",
            "bottleneck_factor": sizes.bottleneck,
            "growth": sizes.growth,
            "norm": "InstanceNorm",
            "num_blocks_per_scale": sizes.blocks,
            "num_channels": sizes.width,
            "num_scales": sizes.levels,
            "num_subbands": sizes.subbands,
            "scale": list(sizes.scale),
            "name": "epoch_10.ckpt",
        },
        "training": {
            "instruments": instruments,
            "target_instrument": instruments[0] if sizes.stems == 1 else None,
            "lr": 1e-5,
        },
        "inference": {"batch_size": 1, "dim_t": sizes.frames, "num_overlap": 8},
    }


def write_files(
    folder: Path,
    sizes: Mdx23cSizes = SIZES,
    *,
    name: str = "small.ckpt",
    config: Mapping[str, Any] | None = None,
    state: Mapping[str, torch.Tensor] | None = None,
) -> Path:
    """Write a checkpoint and its config. Return the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    torch.save(dict(state_of(sizes) if state is None else state), path)
    path.with_suffix(".yaml").write_text(yaml.safe_dump(config_of(sizes) if config is None else config))
    return path
