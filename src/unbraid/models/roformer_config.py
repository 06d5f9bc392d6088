"""What the config of a published band-split transformer says; see `unbraid.models.checkpoint_config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unbraid.models.checkpoint_config import (
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

# Settings of `model` that the weights show too: their name in `RoformerSizes`.
SIZES = {
    "dim": "width",
    "depth": "layers",
    "heads": "heads",
    "dim_head": "head_width",
    "num_stems": "stems",
    "time_transformer_depth": "time_depth",
    "freq_transformer_depth": "band_depth",
}
# Settings of `model` that are supported with one value only; they may be left out.
FIXED: Mapping[str, tuple[object, ...]] = {
    "stereo": (True,),
    "linear_transformer_depth": (0,),
    "skip_connection": (False,),
    "freq_range": (None,),
    "stft_window_fn": (None,),
    "num_residual_streams": (1,),
    "num_residual_fracs": (1,),
    "use_pope": (False,),
}
# Settings of `model` for training, or that the weights show in other ways.
IGNORED = frozenset(
    (
        "attn_dropout",
        "ff_dropout",
        "flash_attn",
        "sage_attention",
        "use_torch_checkpoint",
        "dim_freqs_in",
        "match_input_audio_length",
        "mask_estimator_depth",
        "mlp_expansion_factor",
        "stft_normalized",  # the network normalises each band, so a factor changes nothing
        "multi_stft_resolution_loss_weight",
        "multi_stft_resolutions_window_sizes",
        "multi_stft_hop_size",
        "multi_stft_normalized",
        "multi_stft_window_fn",
    )
)
READ = (
    "stft_n_fft",
    "stft_hop_length",
    "stft_win_length",
    "zero_dc",
    "sample_rate",
    "num_bands",
    "freqs_per_bands",
)
KNOWN: Mapping[str, frozenset[str]] = {
    "model": frozenset((*SIZES, *FIXED, *IGNORED, *READ)),
    **KNOWN_IN_USE,
}

CHUNK = 352_800  # 8 s
# Frames of a segment's spectrum; published ones have 801 to 1335. Memory for attention grows with their square.
MOST_FRAMES = 4000


@dataclass(frozen=True, slots=True)
class RoformerConfig(CheckpointConfig):
    """The settings that a band-split transformer needs beside its weights."""

    zero_dc: bool


def is_in_range(n_fft: int, hop: int) -> bool:
    """Whether Unbraid computes spectra with this window and this hop."""
    return 64 <= n_fft <= 1 << 15 and n_fft % 2 == 0 and n_fft // 64 <= hop <= n_fft // 2


def read_roformer_config(path: Path) -> RoformerConfig:
    """Read a config. Raises ModelError for unknown or unsupported settings, and names them."""
    return read_checked(path, KNOWN, FIXED, _checked)


def _checked(path: Path, sections: Sections) -> RoformerConfig:
    model, audio, inference = (sections[name] for name in ("model", "audio", "inference"))
    n_fft, hop = (whole(model, f"model.stft_{key}", f"stft_{key}") for key in ("n_fft", "hop_length"))
    if model.get("stft_win_length", n_fft) != n_fft:
        raise ValueError("model.stft_win_length differs from model.stft_n_fft")
    if not is_in_range(n_fft, hop):
        raise ValueError("model.stft_n_fft or model.stft_hop_length is out of range")
    rate = whole({"sample_rate": SAMPLE_RATE, **audio, **model}, "audio.sample_rate", "sample_rate")
    chunk = whole({"chunk_size": CHUNK, **audio, **inference}, "inference.chunk_size", "chunk_size")
    check_chunk(chunk, n_fft, rate)
    if chunk // hop > MOST_FRAMES:
        raise ValueError(
            f"its segments (chunk_size) have {chunk // hop} spectra (stft_hop_length), more than {MOST_FRAMES}"
        )
    overlaps = read_overlaps(inference)
    instruments, target = read_stems(sections["training"])
    return RoformerConfig(
        path=path,
        model=model,
        instruments=instruments,
        target=target,
        sample_rate=rate,
        n_fft=n_fft,
        hop=hop,
        chunk=chunk - chunk % hop,
        overlap=1 - 1 / overlaps,
        zero_dc=bool(model.get("zero_dc", False)),
    )
