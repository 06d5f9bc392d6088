"""What the config of a published MDX23C says; see `unbraid.models.checkpoint_config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unbraid.models.checkpoint_config import (
    CHANNELS,
    KNOWN_IN_USE,
    SAMPLE_RATE,
    CheckpointConfig,
    Sections,
    check_chunk,
    read_checked,
    read_overlaps,
    read_stems,
    whole,
)

# Settings of `model` that the weights show too: their name in `Mdx23cSizes`.
SIZES = {
    "bottleneck_factor": "bottleneck",
    "growth": "growth",
    "num_blocks_per_scale": "blocks",
    "num_channels": "width",
    "num_scales": "levels",
    "num_subbands": "subbands",
    "scale": "scale",
}
# Settings of `model` that are supported with one value only, as in all published models; they may be left out.
FIXED: Mapping[str, tuple[object, ...]] = {"act": ("gelu",), "norm": ("InstanceNorm",)}
KNOWN: Mapping[str, frozenset[str]] = {
    "model": frozenset((*SIZES, *FIXED, "name")),
    **KNOWN_IN_USE,
}

# Segments overlap by a half at most. Published configs ask for up to 8 networks for each sample, whose estimates other
# programs average with equal weights. Here they are weighted with a triangle, so the ends of segments count little.
MOST_OVERLAPS = 2


@dataclass(frozen=True, slots=True)
class Mdx23cConfig(CheckpointConfig):
    """The settings that an MDX23C needs beside its weights."""

    bins: int
    """Lowest bins, which the network reads (dim_f)."""


def read_mdx23c_config(path: Path) -> Mdx23cConfig:
    """Read a config. Raises ModelError for unknown or unsupported settings, and names them."""
    return read_checked(path, KNOWN, FIXED, _checked)


def _checked(path: Path, sections: Sections) -> Mdx23cConfig:
    audio, inference = sections["audio"], sections["inference"]
    if audio.get("num_channels", CHANNELS) != CHANNELS:
        raise ValueError(f"Unbraid doesn't support audio.num_channels: {audio['num_channels']}")
    n_fft, hop, bins = (whole(audio, f"audio.{key}", key) for key in ("n_fft", "hop_length", "dim_f"))
    if not 64 <= n_fft <= 1 << 15 or n_fft % 2 or not n_fft // 64 <= hop <= n_fft // 2:
        raise ValueError("audio.n_fft or audio.hop_length is out of range")
    if bins > n_fft // 2 + 1:
        raise ValueError(f"audio.dim_f is {bins}, and a window of {n_fft} has {n_fft // 2 + 1} bins")
    rate = whole({"sample_rate": SAMPLE_RATE, **audio}, "audio.sample_rate", "sample_rate")
    chunk = _chunk(audio, inference, hop)
    check_chunk(chunk, n_fft, rate)
    overlaps = min(read_overlaps(inference), MOST_OVERLAPS)
    instruments, target = read_stems(sections["training"])
    return Mdx23cConfig(
        path=path,
        model=sections["model"],
        instruments=instruments,
        target=target,
        sample_rate=rate,
        n_fft=n_fft,
        hop=hop,
        chunk=chunk - chunk % hop,
        overlap=1 - 1 / overlaps,
        bins=bins,
    )


def _chunk(audio: Mapping[str, object], inference: Mapping[str, object], hop: int) -> int:
    """Return the samples of a segment: those of `inference`, or else those of the training."""
    if "chunk_size" not in inference and "dim_t" in inference:
        return hop * (whole(inference, "inference.dim_t", "dim_t") - 1)
    return whole({**audio, **inference}, "inference.chunk_size", "chunk_size")
