"""What an MDX-Net takes besides its file: window, stem, compensation.

UVR has them in tables, by a hash of the file (`mdx_settings.toml`). For a file that isn't in the tables, `NAME.json`
beside `NAME.onnx` may have these entries, with the names that UVR gives them.

This module imports nothing large.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.architectures import SAMPLE_RATE
from unbraid.models.folder import SPECTRA, SPECTRUM, Model, read_network

ENDING = ".onnx"
FORM = 1  # version of the model folders that `unbraid.models.mdx` writes

HASHED = 10_000 * 1024  # bytes at the end of the file that UVR hashes
HOP = 1024  # samples, of all MDX-Nets
OVERLAP = 0.25  # as in audio-separator
CHANNELS = 2
WITHOUT = "no_"
"""Prefix of the song without a stem; the same as in `unbraid.audio.stem_names`, which this package can't import."""

LARGEST_N_FFT = 1 << 15  # the largest published one is 16,384
LONGEST_SETTINGS = 1 << 12  # bytes

# Names of stems in the tables of UVR, and what an MDX-Net separates besides.
STEMS = {
    "Vocals": "vocals",
    "Instrumental": "no_vocals",
    "Drums": "drums",
    "Bass": "bass",
    "Other": "other",
    "Reverb": "reverb",
    "No Crowd": "no_crowd",
}


@dataclass(frozen=True, slots=True)
class MdxSettings:
    """What a file takes besides the file."""

    n_fft: int
    """Length of the transform's window in samples."""
    bins: int
    """Of the network's input, with `frames`."""
    frames: int
    stem: str
    """What the network estimates. A name with the prefix "no_" means the song without that stem."""
    compensation: float
    """Gain of the estimate."""

    @property
    def sources(self) -> tuple[str, str]:
        """Both stems: what the network estimates, and the rest of the song."""
        stem = self.stem.removeprefix(WITHOUT)
        return stem, WITHOUT + stem

    @property
    def rest(self) -> str:
        """The stem that the network doesn't estimate."""
        return next(source for source in self.sources if source != self.stem)

    def renamed(self, names: Mapping[str, str]) -> MdxSettings:
        """Return the settings with other names of stems. Only the stem of the network needs one."""
        return replace(self, stem=names.get(self.stem, self.stem))

    @property
    def description(self) -> dict[str, Any]:
        """The description of the model's folder, without name, version, licence and checksums."""
        return {
            "sources": list(self.sources),
            "rest": self.rest,
            "sample_rate": SAMPLE_RATE,
            "channels": CHANNELS,
            "segment": HOP * (self.frames - 1),
            "fixed_length": "inside",
            "overlap": OVERLAP,
            "normalise": False,
            "stft": {"n_fft": self.n_fft, "hop": HOP, "edges": "centred"},
            "inputs": [SPECTRUM],
            "outputs": [SPECTRA],
        }


def is_mdx_net(model: Model) -> bool:
    """Whether a model folder has been converted from an MDX-Net."""
    traits = (model.inputs, model.outputs, model.hop, model.fixed_length)
    return traits == ((SPECTRUM,), (SPECTRA,), HOP, "inside") and not read_network(model.folder)


@cache
def known_settings() -> Mapping[str, MdxSettings]:
    """Return the settings of all known files by `uvr_hash`."""
    text = Path(__file__).with_name("mdx_settings.toml").read_text(encoding="utf-8")
    return {key: MdxSettings(**values) for key, values in tomllib.loads(text).items()}


def uvr_hash(path: Path) -> str:
    """Return the hash by which UVR knows a file: the MD5 of its last 10,000 KiB. Raises ModelError."""
    try:
        with path.open("rb") as file:
            file.seek(-min(HASHED, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return hashlib.md5(file.read(HASHED), usedforsecurity=False).hexdigest()
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error


def settings_of(path: Path, bins: int, frames: int) -> MdxSettings:
    """Return the settings of a network of these sizes: those beside its file, or else those that UVR knows.

    Raises ModelError.
    """
    if (beside := settings_beside(path)) is not None:
        return _read_settings(path.with_suffix(".json"), beside, bins, frames)
    if (known := known_settings().get(uvr_hash(path))) is not None:
        return known
    beside_name = path.with_suffix(".json").name
    example = '{"mdx_n_fft_scale_set": 6144, "primary_stem": "Vocals", "compensate": 1.0}'
    raise ModelError(
        f"is an MDX-Net that Unbraid doesn't know. Its window (n_fft) and its stem aren't in the file. Write them into "
        f"{beside_name} beside it, for example: {example}",
        subject=str(path),
    )


def settings_beside(path: Path) -> dict[str, Any] | None:
    """Return the content of `NAME.json` beside the file; None if there is none. Raises ModelError."""
    beside = path.with_suffix(".json")
    try:
        with beside.open("rb") as file:
            text = file.read(LONGEST_SETTINGS + 1)
        if len(text) > LONGEST_SETTINGS:
            raise ValueError("it is too long")
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        return content
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(beside)) from error
    except (ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "it is not JSON"
        raise ModelError(
            f"doesn't have the settings of an MDX-Net: {reason}. Correct it.", subject=str(beside)
        ) from error


def _read_settings(path: Path, content: Mapping[str, Any], bins: int, frames: int) -> MdxSettings:
    """Check the settings beside a file. Raises ModelError."""

    def wrong(reason: str) -> ModelError:
        return ModelError(
            f"doesn't have the settings of an MDX-Net: {reason}. Correct it.", subject=str(path)
        )

    known = {
        "mdx_n_fft_scale_set",
        "primary_stem",
        "compensate",
        "mdx_dim_f_set",
        "mdx_dim_t_set",
        "is_karaoke",
    }
    if unknown := content.keys() - known:
        raise wrong(f"unknown entry {min(unknown)!r:.60}")
    n_fft, stem = content.get("mdx_n_fft_scale_set"), content.get("primary_stem")
    if type(n_fft) is not int or not 2 * HOP <= n_fft <= LARGEST_N_FFT or n_fft % 2:
        raise wrong(f"mdx_n_fft_scale_set must be an even number from {2 * HOP} to {LARGEST_N_FFT}")
    if not isinstance(stem, str) or stem not in STEMS:
        raise wrong(f"primary_stem must be one of {', '.join(STEMS)}")
    compensation = content.get("compensate", 1.0)
    if type(compensation) not in (int, float) or not math.isfinite(compensation) or not 0 < compensation < 10:
        raise wrong("compensate must be a number from 0 to 10")
    sizes = (content.get("mdx_dim_f_set", bins), content.get("mdx_dim_t_set", math.log2(frames)))
    if sizes != (bins, math.log2(frames)):
        raise wrong(f"mdx_dim_f_set or mdx_dim_t_set differs from the network ({bins} x {frames})")
    return MdxSettings(n_fft, bins, frames, STEMS[stem], float(compensation))
