"""What the config of a published band-split transformer says, checked against the weights.

The config is the YAML file of the program that trained the network. The weights show most sizes, so the config only
has to agree with them. Settings that change the result and aren't supported are errors, and so are unknown ones.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.models.readers.configs import read_config
from unbraid.models.readers.packages import STEM

# Sections, and whether their settings change what a trained network computes.
USED = ("model", "audio", "inference", "training")
UNUSED = ("augmentations", "loss_multistft", "lora")

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
    "audio": frozenset(
        ("chunk_size", "dim_f", "dim_t", "hop_length", "n_fft", "num_channels", "sample_rate", "min_mean_abs")
    ),
    "inference": frozenset(("chunk_size", "num_overlap", "batch_size", "dim_t", "normalize")),
}

SAMPLE_RATE = 44_100
CHUNK = 352_800  # 8 s
MOST_SECONDS = 30  # of a chunk; published ones have 8 to 13.4 s
# Frames of a segment's spectrum; published ones have 801 to 1335. Memory for attention grows with their square.
MOST_FRAMES = 4000
OVERLAPS = 2  # networks that read each sample


@dataclass(frozen=True, slots=True)
class RoformerConfig:
    """The settings that a model needs beside its weights."""

    path: Path
    model: Mapping[str, Any]
    """The section `model`."""
    instruments: tuple[str, ...]
    target: str | None
    """The only estimated stem; None if the network estimates all instruments."""
    sample_rate: int
    n_fft: int
    hop: int
    zero_dc: bool
    chunk: int
    """Samples of a segment."""
    overlap: float
    """Share of a segment that overlaps the next one."""

    def renamed(self, names: Mapping[str, str]) -> RoformerConfig:
        """Return the config with other names of stems."""

        def name(stem: str) -> str:
            return names.get(stem, stem)

        return replace(
            self,
            instruments=tuple(map(name, self.instruments)),
            target=None if self.target is None else name(self.target),
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """The stems that the network estimates."""
        return self.instruments if self.target is None else (self.target,)

    @property
    def rest(self) -> str | None:
        """Name of the song without the only estimated stem; None if the network estimates all stems."""
        if self.target is None:
            return None
        others = [name for name in self.instruments if name != self.target]
        return others[0] if len(others) == 1 else f"no_{self.target}"

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems of the model."""
        return self.sources if self.rest is None else (*self.sources, self.rest)


def is_config(path: Path) -> bool:
    """Whether a YAML file has a section `model`, unlike a bag of Demucs models."""
    try:
        with path.open("rb") as file:
            content = file.read(1 << 16).removeprefix(BOM_UTF8)
            flow = content.lstrip().startswith(b"{") and b"model:" in content
            return flow or any(line.startswith(b"model:") for line in content.splitlines())
    except OSError:
        return False


def read_roformer_config(path: Path) -> RoformerConfig:
    """Read a config. Raises ModelError for unknown or unsupported settings, and names them."""
    sections = read_config(path)
    try:
        return _checked(path, sections)
    except (ValueError, TypeError) as error:
        raise ModelError(f"can't be used: {error}.", subject=str(path)) from error


def _checked(path: Path, sections: Mapping[str, Any]) -> RoformerConfig:
    if unknown := sections.keys() - {*USED, *UNUSED}:
        raise ValueError(f"Unbraid doesn't know its section {', '.join(sorted(unknown))}")
    for name in USED:
        if not isinstance(sections.get(name, {}), dict):
            raise ValueError(f"{name} isn't a section with settings")
    model, audio, inference, training = (sections.get(name, {}) for name in USED)
    for name, known in KNOWN.items():
        if unknown := sections.get(name, {}).keys() - known:
            raise ValueError(
                f"Unbraid doesn't know its setting {', '.join(f'{name}.{key}' for key in sorted(unknown))}"
            )
    for key, allowed in FIXED.items():
        if key in model and model[key] not in allowed:
            raise ValueError(f"Unbraid doesn't support model.{key}: {model[key]}")
    if inference.get("normalize"):
        raise ValueError("Unbraid doesn't support inference.normalize: true")
    n_fft, hop = (_whole(model, f"model.stft_{key}", f"stft_{key}") for key in ("n_fft", "hop_length"))
    if model.get("stft_win_length", n_fft) != n_fft:
        raise ValueError("model.stft_win_length differs from model.stft_n_fft")
    if not 64 <= n_fft <= 1 << 15 or n_fft % 2 or not n_fft // 64 <= hop <= n_fft // 2:
        raise ValueError("model.stft_n_fft or model.stft_hop_length is out of range")
    rate = _whole({"sample_rate": SAMPLE_RATE, **audio, **model}, "audio.sample_rate", "sample_rate")
    chunk = _whole({"chunk_size": CHUNK, **audio, **inference}, "inference.chunk_size", "chunk_size")
    if not 2 * n_fft <= chunk <= MOST_SECONDS * rate:
        raise ValueError(
            f"its segments (chunk_size) must have {2 * n_fft} samples to {MOST_SECONDS} s, not {chunk} samples"
        )
    if chunk // hop > MOST_FRAMES:
        raise ValueError(
            f"its segments (chunk_size) have {chunk // hop} spectra (stft_hop_length), more than {MOST_FRAMES}"
        )
    overlaps = _whole({"num_overlap": OVERLAPS, **inference}, "inference.num_overlap", "num_overlap")
    if not 1 <= overlaps <= 64:
        raise ValueError("inference.num_overlap is out of range")
    instruments = _names(training.get("instruments"))
    target = training.get("target_instrument")
    if target is not None:
        (target,) = _names([target])
    return RoformerConfig(
        path=path,
        model=model,
        instruments=instruments,
        target=target,
        sample_rate=rate,
        n_fft=n_fft,
        hop=hop,
        zero_dc=bool(model.get("zero_dc", False)),
        chunk=chunk - chunk % hop,
        overlap=1 - 1 / overlaps,
    )


def _whole(section: Mapping[str, Any], name: str, key: str) -> int:
    value = section.get(key)
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ValueError(f"{name} must be a whole number")
    return value


def _names(names: Any) -> tuple[str, ...]:
    """Return the names of stems in lower case: they become names of files and of options."""
    if not isinstance(names, list) or not names:
        raise ValueError("training.instruments must list the stems")
    if not all(isinstance(name, str) and STEM.fullmatch(name) for name in names):
        raise ValueError("training.instruments has a name that can't be a file name")
    lowered = tuple(name.lower() for name in names)
    if len(set(lowered)) < len(lowered):
        raise ValueError("training.instruments has a name twice")
    return lowered
