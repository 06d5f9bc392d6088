"""What the config of a published checkpoint says, for all families: stems, segments, and which settings are known.

The config is the YAML file of the program that trained the network. The weights show most sizes, so the config only
has to agree with them. Settings that change the result and aren't supported are errors, and so are unknown ones.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from unbraid.errors import ModelError
from unbraid.models.folder import SPECTRA, SPECTRUM
from unbraid.models.readers.configs import read_config
from unbraid.models.readers.packages import STEM

# Sections, and whether their settings change what a trained network computes.
USED = ("model", "audio", "inference", "training")
UNUSED = ("augmentations", "loss_multistft", "lora")
# Settings of the sections that are the same for all families.
KNOWN_IN_USE: Mapping[str, frozenset[str]] = {
    "audio": frozenset(
        ("chunk_size", "dim_f", "dim_t", "hop_length", "n_fft", "num_channels", "sample_rate", "min_mean_abs")
    ),
    "inference": frozenset(("chunk_size", "num_overlap", "batch_size", "dim_t", "normalize")),
}

CHANNELS = 2
SAMPLE_RATE = 44_100
MOST_SECONDS = 30  # of a segment; published ones have 3 to 13.4 s
OVERLAPS = 2  # networks that read each sample

Sections = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
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
    chunk: int
    """Samples of a segment."""
    overlap: float
    """Share of a segment that overlaps the next one."""

    def renamed(self, names: Mapping[str, str]) -> Self:
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

    @property
    def description(self) -> dict[str, Any]:
        """Description of the network (see `unbraid.models.folder.Model`)."""
        return {
            "sources": list(self.sources),
            "sample_rate": self.sample_rate,
            "channels": CHANNELS,
            "segment": self.chunk,
            "fixed_length": "inside",
            "overlap": self.overlap,
            "normalise": False,
            "stft": {"n_fft": self.n_fft, "hop": self.hop, "edges": "centred"},
            "inputs": [SPECTRUM],
            "outputs": [SPECTRA],
        }


Config = TypeVar("Config", bound=CheckpointConfig)


def is_config(path: Path) -> bool:
    """Whether a YAML file has a section `model`, unlike a bag of Demucs models."""
    try:
        with path.open("rb") as file:
            content = file.read(1 << 16).removeprefix(BOM_UTF8)
            flow = content.lstrip().startswith(b"{") and b"model:" in content
            return flow or any(line.startswith(b"model:") for line in content.splitlines())
    except OSError:
        return False


def read_checked(
    path: Path,
    known: Mapping[str, frozenset[str]],
    fixed: Mapping[str, tuple[object, ...]],
    check: Callable[[Path, Sections], Config],
) -> Config:
    """Read a config whose settings are all known.

    `known`: settings by section. `fixed`: settings of `model` that are supported with these values only. `check` turns
    the used sections into the config, and may raise ValueError. Raises ModelError, which names unknown settings.
    """
    sections = read_config(path)
    try:
        return check(path, _used(sections, known, fixed))
    except (ValueError, TypeError) as error:
        raise ModelError(f"can't be used: {error}.", subject=str(path)) from error


def _used(
    sections: Mapping[str, Any], known: Mapping[str, frozenset[str]], fixed: Mapping[str, tuple[object, ...]]
) -> Sections:
    if unknown := sections.keys() - {*USED, *UNUSED}:
        raise ValueError(f"Unbraid doesn't know its section {', '.join(sorted(unknown))}")
    for name in USED:
        if not isinstance(sections.get(name, {}), dict):
            raise ValueError(f"{name} isn't a section with settings")
    used: Sections = {name: sections.get(name, {}) for name in USED}
    for name, settings in known.items():
        if unknown := used[name].keys() - settings:
            raise ValueError(
                f"Unbraid doesn't know its setting {', '.join(f'{name}.{key}' for key in sorted(unknown))}"
            )
    for key, allowed in fixed.items():
        if key in used["model"] and used["model"][key] not in allowed:
            raise ValueError(f"Unbraid doesn't support model.{key}: {used['model'][key]}")
    if used["inference"].get("normalize"):
        raise ValueError("Unbraid doesn't support inference.normalize: true")
    return used


def whole(section: Mapping[str, Any], name: str, key: str) -> int:
    """Return a whole number. `name`: of the setting, for the message. Raises ValueError."""
    value = section.get(key)
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ValueError(f"{name} must be a whole number")
    return value


def read_overlaps(inference: Mapping[str, Any]) -> int:
    """Return how many segments read each sample. Raises ValueError."""
    overlaps = whole({"num_overlap": OVERLAPS, **inference}, "inference.num_overlap", "num_overlap")
    if not 1 <= overlaps <= 64:
        raise ValueError("inference.num_overlap is out of range")
    return overlaps


def check_chunk(chunk: int, n_fft: int, rate: int) -> None:
    """Raise ValueError unless segments of `chunk` samples are longer than their windows, and not too long."""
    if not 2 * n_fft <= chunk <= MOST_SECONDS * rate:
        raise ValueError(
            f"its segments (chunk_size) must have {2 * n_fft} samples to {MOST_SECONDS} s, not {chunk} samples"
        )


def read_stems(training: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """Return the instruments and the target, if there is one. Raises ValueError."""
    instruments = _names(training.get("instruments"))
    target = training.get("target_instrument")
    if target is not None:
        (target,) = _names([target])
    return instruments, target


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
