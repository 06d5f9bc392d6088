"""Recognise a published band-split transformer by the names and shapes of its tensors."""

from __future__ import annotations

import re
from itertools import count, pairwise

import numpy as np

from unbraid.models.checkpoint_shapes import Shapes, check_settings, check_shapes, highest
from unbraid.models.graphs import GraphTemplate
from unbraid.models.readers.tensors import State
from unbraid.models.roformer import (
    NUMBERS,
    RoformerSizes,
    block_prefix,
    mask_prefix,
    mel_bands,
    rotation_name,
)
from unbraid.models.roformer_config import SIZES, RoformerConfig
from unbraid.models.templates import roformer_template

FAMILY = "BS-RoFormer or Mel-Band RoFormer"
MARK = "band_split."  # beginning of names of tensors that no other family has

# Every layer has the same rates of its rotations, under its own name.
ROTATION = re.compile(r"layers\.\d+\.([01])\.layers\.\d+\.0\.rotary_embed\.freqs")


def read_roformer(state: State, settings: RoformerConfig) -> GraphTemplate:
    """Return the graph of a checkpoint. Raises ValueError if it doesn't fit its config."""
    sizes = sizes_of({name: state.shape(name) for name in state}, settings)
    _check_rotations(state)
    return roformer_template(sizes, settings.description)


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
        layers=highest(shapes, r"layers\.(\d+)\.", FAMILY),
        time_depth=highest(shapes, r"layers\.0\.0\.layers\.(\d+)\.", FAMILY),
        band_depth=highest(shapes, r"layers\.0\.1\.layers\.(\d+)\.", FAMILY),
        stems=highest(shapes, r"mask_estimators\.(\d+)\.", FAMILY),
        mask_widths=tuple(masks[:-1]),
        transformer_norms="layers.0.0.norm.gamma" in shapes,
        final_norm="final_norm.gamma" in shapes,
        zero_dc=settings.zero_dc,
    )
    check_shapes(shapes, sizes.shapes(), ROTATION)
    check_settings(settings, sizes, SIZES, sizes.stems)
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


def _check_rotations(state: State) -> None:
    """Raise ValueError unless all layers share the rates of their rotations."""
    for name in state:
        if (match := ROTATION.fullmatch(name)) and not np.array_equal(
            state[name], state[rotation_name(int(match[1]))]
        ):
            raise ValueError(f"{name} differs from that of the first layer")


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    if len(shapes.get(name, ())) != dimensions:
        raise ValueError(f"it is no {FAMILY}: it has no {name}")
    return shapes[name]
