"""What the published networks are: the arguments they were constructed with, and what a model folder says of them.

The arguments are those of the package `demucs` 4.1.0, whose files name its classes and their arguments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from unbraid.networks.hdemucs import HDemucs
from unbraid.networks.htdemucs import HTDemucs

FOUR = ("drums", "bass", "other", "vocals")
SIX = (*FOUR, "guitar", "piano")
SAMPLE_RATE = 44_100


@dataclass(frozen=True, slots=True)
class Published:
    """One architecture, for as many weights as there are."""

    name: str
    class_name: str
    network: Callable[[], nn.Module]
    description: Mapping[str, Any]
    arguments: Mapping[str, Any]
    """All arguments that change what the network computes."""
    defaults: Mapping[str, Any]
    """What those of `arguments` have that a package doesn't name, where that is something else."""


# Arguments that both classes have.
STRUCTURE = {
    "audio_channels": 2,
    "samplerate": SAMPLE_RATE,
    "channels": 48,
    "channels_time": None,
    "growth": 2,
    "nfft": 4096,
    "wiener_iters": 0,
    "end_iters": 0,
    "wiener_residual": False,
    "cac": True,
    "rewrite": True,
    "multi_freqs": None,
    "freq_emb": 0.2,
    "emb_scale": 10,
    "kernel_size": 8,
    "time_stride": 2,
    "stride": 4,
    "context": 1,
    "context_enc": 0,
    "norm_starts": 4,
    "norm_groups": 4,
    "dconv_depth": 2,
}
TRANSFORMER = {
    "t_layers": 5,
    "t_emb": "sin",
    "t_hidden_scale": 4.0,
    "t_heads": 8,
    "t_norm_in": True,
    "t_norm_in_group": False,
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_out": True,
    "t_max_period": 10000.0,
    "t_layer_scale": True,
    "t_gelu": True,
    "t_weight_pos_embed": 1.0,
    "t_sin_random_shift": 0,
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
    "t_cross_first": False,
}


def description(sources: tuple[str, ...], segment_s: float, *, fixed_length: bool) -> dict[str, Any]:
    """`model.json`, without what tells one set of weights from another."""
    return {
        "sources": list(sources),
        "sample_rate": SAMPLE_RATE,
        "channels": 2,
        "segment": round(segment_s * SAMPLE_RATE),
        "fixed_length": fixed_length,
        "overlap": 0.25,
        "normalise": True,
        "stft": {"n_fft": 4096, "hop": 1024, "edges": "demucs"},
        "inputs": ["mixture", "spectrum"],
        "outputs": ["waveforms", "spectra"],
    }


def htdemucs(name: str, sources: tuple[str, ...], bottom_channels: int) -> Published:
    """HTDemucs as published, with so many sources and that width of the transformer (0: the U-Net's own)."""
    return Published(
        name=name,
        class_name="HTDemucs",
        network=lambda: HTDemucs(len(sources), bottom_channels=bottom_channels),
        description=description(sources, 7.8, fixed_length=True),
        arguments={
            "sources": list(sources),
            "segment": 7.8,
            **STRUCTURE,
            "depth": 4,
            "dconv_mode": 3,
            "dconv_comp": 8,
            "bottom_channels": bottom_channels,
            **TRANSFORMER,
            "use_train_segment": True,
        },
        defaults={"segment": 10, "dconv_mode": 1, "bottom_channels": 0},
    )


HDEMUCS = Published(
    name="hdemucs",
    class_name="HDemucs",
    network=HDemucs,
    description=description(FOUR, 44, fixed_length=False),
    arguments={
        "sources": list(FOUR),
        "segment": 44,
        **STRUCTURE,
        "depth": 6,
        "hybrid": True,
        "hybrid_old": False,
        "dconv_mode": 1,
        "dconv_comp": 4,
        "dconv_attn": 4,
        "dconv_lstm": 4,
    },
    defaults={"segment": 40},
)

PUBLISHED = (htdemucs("htdemucs", FOUR, 512), htdemucs("htdemucs_6s", SIX, 0), HDEMUCS)
