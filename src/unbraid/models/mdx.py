"""Convert MDX-Nets, the ONNX files of UVR and KUIELab, into model folders.

The file is the network; what else it takes (window, stem, compensation) is in tables of UVR, by a hash of the file
(`mdx_settings.toml`). For a file that isn't in the table, `NAME.json` beside `NAME.onnx` may have these entries, with
the names that UVR gives them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.architectures import SAMPLE_RATE
from unbraid.models.cache import cache_folder, locked, new_model_folder
from unbraid.models.folder import DESCRIPTION, SPECTRA, SPECTRUM, Model, load_model_folder
from unbraid.models.mdx_graph import MdxGraph, check_mdx_graph
from unbraid.models.mdx_write import CHANNELS, LOWEST_BINS, wrapped, write_files
from unbraid.models.readers.onnx import read_graph
from unbraid.models.readers.tensors import PackageError

ENDING = ".onnx"
HASHED = 10_000 * 1024  # bytes at the end of the file that UVR hashes
HOP = 1024  # samples, of all MDX-Nets
OVERLAP = 0.25  # as in audio-separator
FORM = 1  # version of the model folders that this module writes
LICENCE = "not stated"  # files don't contain their licence

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
        stem = self.stem.removeprefix(COMPLEMENT_PREFIX)
        return stem, COMPLEMENT_PREFIX + stem

    @property
    def rest(self) -> str:
        """The stem that the network doesn't estimate."""
        return next(source for source in self.sources if source != self.stem)

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


def convert_mdx(
    path: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    licence: str,
    settings: MdxSettings | None = None,
) -> None:
    """Write the model folder of a file atomically, over an older one. `settings`: None to look them up.

    The caller holds the lock of `folder`. Raises ModelError if the file isn't an MDX-Net, or its settings are unknown.
    """
    graph = read_graph(path)
    try:
        checked = check_mdx_graph(graph)
        settings = settings or settings_of(path, checked)
        _check_settings(settings, checked)
    except PackageError as error:
        raise error.about(path) from error
    with new_model_folder(folder) as new:
        sums = write_files(*graph_of(checked, settings), new)
        described = {
            "name": name,
            "version": version,
            "licence": licence,
            **settings.description,
            "sha256": sums,
        }
        (new / DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def load_mdx_file(path: Path) -> Model:
    """Load the model of an MDX-Net file. Convert it into the user's cache the first time.

    The key in the cache is a hash of the file and its settings, so an altered file is converted again. Raises
    ModelError.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(path)) from error
    beside = _settings_beside(path)
    key_parts = ["mdx", FORM, path.stem, digest, beside, list(map(repr, known_settings().values()))]
    key = hashlib.sha256(json.dumps(key_parts).encode()).hexdigest()
    folder = cache_folder() / "repo" / key
    if (model := _intact(folder)) is not None:  # a lock needs a writable cache
        return model
    with locked(folder):
        if (model := _intact(folder)) is not None:
            return model
        convert_mdx(path, folder, name=path.stem, version=digest[:8], licence=LICENCE)
        return load_model_folder(folder)


def _intact(folder: Path) -> Model | None:
    """Load the model from the cache; None if it is missing or damaged."""
    if folder.is_dir():
        with suppress(ModelError):
            return load_model_folder(folder)
    return None


def graph_of(checked: MdxGraph, settings: MdxSettings) -> tuple[Any, tuple[int, ...]]:
    """Return the graph of the model folder, and the shape of its output."""
    shape = (1, 1, CHANNELS, settings.n_fft // 2 + 1, checked.frames, 2)
    return wrapped(checked, settings.n_fft, settings.compensation), shape


def settings_of(path: Path, graph: MdxGraph) -> MdxSettings:
    """Return the settings of a file: those beside it, or else those that UVR knows. Raises ModelError."""
    if (beside := _settings_beside(path)) is not None:
        return _read_settings(path.with_suffix(".json"), beside, graph)
    if (known := known_settings().get(uvr_hash(path))) is not None:
        return known
    beside_name = path.with_suffix(".json").name
    example = '{"mdx_n_fft_scale_set": 6144, "primary_stem": "Vocals", "compensate": 1.0}'
    raise ModelError(
        f"is an MDX-Net that Unbraid doesn't know. Its window (n_fft) and its stem aren't in the file. Write them into "
        f"{beside_name} beside it, for example: {example}",
        subject=str(path),
    )


def _settings_beside(path: Path) -> dict[str, Any] | None:
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


def _read_settings(path: Path, content: Mapping[str, Any], graph: MdxGraph) -> MdxSettings:
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
    sizes = (content.get("mdx_dim_f_set", graph.bins), content.get("mdx_dim_t_set", math.log2(graph.frames)))
    if sizes != (graph.bins, math.log2(graph.frames)):
        raise wrong(
            f"mdx_dim_f_set or mdx_dim_t_set differs from the network ({graph.bins} x {graph.frames})"
        )
    return MdxSettings(n_fft, graph.bins, graph.frames, STEMS[stem], float(compensation))


def _check_settings(settings: MdxSettings, graph: MdxGraph) -> None:
    """Raise PackageError unless the network has these sizes."""
    if (settings.bins, settings.frames) != (graph.bins, graph.frames):
        raise PackageError(
            f"its network has {graph.bins} x {graph.frames} bins and frames, and its settings "
            f"{settings.bins} x {settings.frames}",
            "Use another model.",
        )
    if not LOWEST_BINS < settings.bins <= settings.n_fft // 2 + 1:
        raise PackageError(
            f"its {settings.bins} bins don't fit a window of {settings.n_fft} samples", "Correct its n_fft."
        )
    if HOP * (settings.frames - 1) < settings.n_fft:
        raise PackageError(f"its {settings.frames} frames are shorter than its window", "Correct its n_fft.")
