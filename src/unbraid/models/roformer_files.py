"""Recognise a published band-split transformer by the names and shapes of its tensors, and convert it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from unbraid.errors import ModelError
from unbraid.models.cache import new_model_folder
from unbraid.models.convert import write_description, write_network
from unbraid.models.folder import NETWORKS, SPECTRA, SPECTRUM
from unbraid.models.readers.packages import Package, read_state
from unbraid.models.readers.tensors import State
from unbraid.models.roformer import (
    CHANNELS,
    CLASS_NAME,
    NUMBERS,
    RoformerSizes,
    block_prefix,
    mask_prefix,
    mel_bands,
    rotation_name,
)
from unbraid.models.roformer_config import SIZES, RoformerConfig, read_roformer_config
from unbraid.models.templates import roformer_template

NETWORK = "network"  # folder of the network inside a model with a rest

# Every layer has the same rates of its rotations, under its own name.
ROTATION = re.compile(r"layers\.\d+\.([01])\.layers\.\d+\.0\.rotary_embed\.freqs")

Shapes = Mapping[str, tuple[int, ...]]
NO_NAMES: Mapping[str, str] = MappingProxyType({})


def convert_roformer(
    checkpoint: Path,
    config: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    licence: str,
    sources: tuple[str, ...] | None = None,
    names: Mapping[str, str] = NO_NAMES,
    overlap: float | None = None,
) -> None:
    """Write the model folder for a checkpoint and its config atomically, over an older one.

    `names`: names of stems that replace those of the config. `sources`: the stems that it must have then; None: any.
    `overlap`: of segments; None: the config's. Raises ModelError if the files don't fit together, or if the folder
    can't be written.
    """
    settings = read_roformer_config(config).renamed(names)
    if overlap is not None:
        settings = replace(settings, overlap=overlap)
    if sources not in (None, settings.stems):
        raise ModelError(
            f"separates {', '.join(settings.stems)}, not {', '.join(sources or ())}.", subject=str(config)
        )
    state = read_state(checkpoint)
    try:
        sizes = sizes_of({tensor: state.shape(tensor) for tensor in state}, settings)
        _check_rotations(state)
    except ValueError as error:
        raise ModelError(f"can't be used with {config.name}: {error}.", subject=str(checkpoint)) from error
    template = roformer_template(sizes, _description(settings))
    needed = {place.name for place in template.tensors}
    package = Package(checkpoint, CLASS_NAME, template.arguments, state.only(needed))
    labels = {"name": name, "version": version, "licence": licence}
    with new_model_folder(folder) as new:
        if settings.rest is None:
            write_network(package, template, new, labels, template.description)
            return
        (new / NETWORK).mkdir()
        write_network(package, template, new / NETWORK, labels, template.description)
        (target,) = settings.sources
        bag = {
            "sources": [target, settings.rest],
            "rest": settings.rest,
            NETWORKS: [{"folder": NETWORK, "weights": {target: 1.0}}],
        }
        write_description(new, {**labels, **bag})


def _description(settings: RoformerConfig) -> dict[str, Any]:
    return {
        "sources": list(settings.sources),
        "sample_rate": settings.sample_rate,
        "channels": CHANNELS,
        "segment": settings.chunk,
        "fixed_length": "inside",
        "overlap": settings.overlap,
        "normalise": False,
        "stft": {"n_fft": settings.n_fft, "hop": settings.hop, "edges": "centred"},
        "inputs": [SPECTRUM],
        "outputs": [SPECTRA],
    }


def sizes_of(shapes: Shapes, settings: RoformerConfig) -> RoformerSizes:
    """Return the sizes of a network with tensors of these shapes. Raises ValueError if they fit no such network."""
    first = block_prefix(0, 0, 0)
    width = _shape(shapes, f"{first}.0.norm.gamma", 1)[0]
    heads = _shape(shapes, f"{first}.0.to_gates.weight", 2)[0]
    head_width = 2 * _shape(shapes, rotation_name(0), 1)[0]
    numbers = []
    for band in count():
        if (name := f"band_split.to_features.{band}.0.gamma") not in shapes:
            break
        numbers.append(_shape(shapes, name, 1)[0])
    masks = []
    for step in count():
        if (name := f"{mask_prefix(0, 0, step)}.weight") not in shapes:
            break
        masks.append(_shape(shapes, name, 2)[0])
    sizes = RoformerSizes(
        bands=_bands(numbers, settings),
        bins=settings.n_fft // 2 + 1,
        frames=settings.chunk // settings.hop + 1,
        width=width,
        heads=heads,
        head_width=head_width,
        hidden=_shape(shapes, f"{first}.1.net.1.weight", 2)[0],
        layers=_highest(shapes, r"layers\.(\d+)\."),
        time_depth=_highest(shapes, r"layers\.0\.0\.layers\.(\d+)\."),
        band_depth=_highest(shapes, r"layers\.0\.1\.layers\.(\d+)\."),
        stems=_highest(shapes, r"mask_estimators\.(\d+)\."),
        mask_widths=tuple(masks[:-1]),
        transformer_norms="layers.0.0.norm.gamma" in shapes,
        final_norm="final_norm.gamma" in shapes,
        zero_dc=settings.zero_dc,
    )
    _check_shapes(shapes, sizes)
    for key, name in SIZES.items():
        if key in settings.model and settings.model[key] != getattr(sizes, name):
            raise ValueError(
                f"model.{key} is {settings.model[key]!r} there, and {getattr(sizes, name)} in the weights"
            )
    if sizes.stems != len(settings.sources):
        raise ValueError(
            f"it estimates {sizes.stems} stems, and the config names {', '.join(settings.sources)}"
        )
    return sizes


def _bands(numbers: list[int], settings: RoformerConfig) -> tuple[tuple[int, int], ...]:
    """Return the bands with these counts of numbers: side by side, or overlapping on the mel scale."""
    if not numbers or any(number % NUMBERS for number in numbers):
        raise ValueError("it is no stereo BS-RoFormer or Mel-Band RoFormer")
    widths = [number // NUMBERS for number in numbers]
    bins = settings.n_fft // 2 + 1
    if "num_bands" not in settings.model and sum(widths) == bins:
        ends = np.cumsum([0, *widths]).tolist()
        stated = settings.model.get("freqs_per_bands", widths)
        if not isinstance(stated, list) or stated != widths:
            raise ValueError("model.freqs_per_bands differs from the widths of the bands in the weights")
        return tuple(pairwise(ends))
    bands = mel_bands(settings.sample_rate, settings.n_fft, len(widths))
    if [stop - start for start, stop in bands] != widths or settings.model.get(
        "num_bands", len(bands)
    ) != len(bands):
        raise ValueError("its bands don't fit model.num_bands, model.stft_n_fft and the sample rate")
    return bands


def _check_shapes(shapes: Shapes, sizes: RoformerSizes) -> None:
    """Raise ValueError unless a network of these sizes has exactly these tensors."""
    needed = sizes.shapes()
    for name, shape in needed.items():
        if shapes.get(name) != shape:
            found = " x ".join(map(str, shapes[name])) if name in shapes else "missing"
            raise ValueError(f"{name} is {found}, and should be {' x '.join(map(str, shape))}")
    for name in shapes:
        if name not in needed and not ROTATION.fullmatch(name):
            raise ValueError(f"it has a tensor that Unbraid doesn't know, {name:.80}")


def _check_rotations(state: State) -> None:
    """Raise ValueError unless all layers share the rates of their rotations."""
    for name in state:
        if (match := ROTATION.fullmatch(name)) and not np.array_equal(
            state[name], state[rotation_name(int(match[1]))]
        ):
            raise ValueError(f"{name} differs from that of the first layer")


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    if len(shapes.get(name, ())) != dimensions:
        raise ValueError(f"it is no BS-RoFormer or Mel-Band RoFormer: it has no {name}")
    return shapes[name]


def _highest(shapes: Shapes, pattern: str) -> int:
    """Return the highest number after `pattern` in the names, plus one."""
    matches = (re.match(pattern, name) for name in shapes)
    numbers = [int(match[1]) for match in matches if match]
    if not numbers or max(numbers) > len(shapes):
        raise ValueError("it is no BS-RoFormer or Mel-Band RoFormer")
    return max(numbers) + 1
