"""Band-split transformers: BS-RoFormer and Mel-Band RoFormer, with all sizes as data.

Lu et al., "Music source separation with band-split RoPE transformer" (arXiv 2309.02612), and Wang et al., "Mel-Band
RoFormer for music source separation" (arXiv 2310.01809). Both split a spectrum into bands, which become tokens. Layers
attend alternately along the time of a band and along the bands of a frame. For each stem, a small network per band
turns the tokens into a complex mask. The networks differ only in their bands and in the places of the norms:

    BS-RoFormer        bands side by side; one norm after all layers
    Mel-Band RoFormer  overlapping bands, whose masks are averaged; a norm after each transformer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.models.folder import SPECTRA, SPECTRUM, read_network
from unbraid.models.graphs import TensorPlace, place_tensors

CHANNELS = 2
NUMBERS = 2 * CHANNELS  # of a bin: real and imaginary part for each channel

CLASS_NAME = "Roformer"

TOKENS = "tokens"  # output of the graph: (bands, frames, width)
BAND_SPLIT = "band_split."  # beginning of the names of tensors in the graph
FINAL_NORM = "final_norm.gamma"


@dataclass(frozen=True, slots=True)
class RoformerSizes:
    """All sizes of a network. Names of the published settings are in brackets where they differ."""

    bands: tuple[tuple[int, int], ...]
    """First bin of each band, and the bin after its last one."""
    bins: int
    frames: int
    """Frames of a segment."""
    width: int
    """Numbers of a token (dim)."""
    heads: int
    head_width: int
    """Numbers of an attention head (dim_head)."""
    hidden: int
    """Width of the hidden layer between attentions."""
    layers: int
    """Pairs of transformers, along time and along bands (depth)."""
    time_depth: int
    """Attentions of a transformer along time (time_transformer_depth)."""
    band_depth: int
    """Attentions of a transformer along bands (freq_transformer_depth)."""
    stems: int
    """Estimated stems (num_stems)."""
    mask_widths: tuple[int, ...]
    """Widths of the hidden layers that estimate masks."""
    transformer_norms: bool
    """Whether a norm ends each transformer."""
    final_norm: bool
    """Whether a norm ends the last layer."""
    zero_dc: bool = False
    """Whether the stems have no constant part (bin 0)."""

    @property
    def depths(self) -> tuple[int, int]:
        """Attentions of both transformers of a layer."""
        return self.time_depth, self.band_depth

    @property
    def band_numbers(self) -> tuple[int, ...]:
        """Numbers of each band in a frame."""
        return tuple(NUMBERS * (stop - start) for start, stop in self.bands)

    @property
    def bin_indices(self) -> NDArray[np.int64]:
        """Bins of all bands, one band after the other."""
        return np.concatenate([np.arange(start, stop, dtype=np.int64) for start, stop in self.bands])

    @property
    def mask_gains(self) -> NDArray[np.float32]:
        """Factor for the sum of masks at each bin: 1 / number of its bands, (bins,)."""
        counts = np.bincount(self.bin_indices, minlength=self.bins)
        gains = np.divide(1, counts, out=np.zeros(self.bins, np.float32), where=counts > 0)
        if self.zero_dc:
            gains[0] = 0
        return gains.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes for JSON."""
        return {name: _as_lists(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> RoformerSizes:
        """Return the sizes that `to_dict` wrote. Raises TypeError, ValueError and KeyError."""
        bands = tuple((int(start), int(stop)) for start, stop in sizes["bands"])
        return cls(**{**sizes, "bands": bands, "mask_widths": tuple(sizes["mask_widths"])})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each published tensor that the network needs, by name."""
        width = self.width
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.layers):
            for axis, depth in enumerate(self.depths):
                for block in range(depth):
                    prefix = block_prefix(layer, axis, block)
                    for name, shape in block_shapes(self).items():
                        shapes[f"{prefix}.{name}"] = shape
                if self.transformer_norms:
                    shapes[f"layers.{layer}.{axis}.norm.gamma"] = (width,)
        for axis in range(2):
            shapes[rotation_name(axis)] = (self.head_width // 2,)
        if self.final_norm:
            shapes[FINAL_NORM] = (width,)
        for band, numbers in enumerate(self.band_numbers):
            shapes[f"{BAND_SPLIT}to_features.{band}.0.gamma"] = (numbers,)
            shapes[f"{BAND_SPLIT}to_features.{band}.1.weight"] = (width, numbers)
            shapes[f"{BAND_SPLIT}to_features.{band}.1.bias"] = (width,)
        for stem in range(self.stems):
            for band, numbers in enumerate(self.band_numbers):
                widths = (width, *self.mask_widths, 2 * numbers)
                for step, (before, after) in enumerate(pairwise(widths)):
                    prefix = mask_prefix(stem, band, step)
                    shapes[f"{prefix}.weight"] = (after, before)
                    shapes[f"{prefix}.bias"] = (after,)
        return shapes


def block_shapes(sizes: RoformerSizes, norms: int = 0) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of an attention and its hidden layer, by name after the prefix.

    `norms`: how many norms follow it. In the file, they belong to transformers.
    """
    width, inner = sizes.width, sizes.heads * sizes.head_width
    return {
        "0.norm.gamma": (width,),
        "0.to_qkv.weight": (3 * inner, width),
        "0.to_gates.weight": (sizes.heads, width),
        "0.to_gates.bias": (sizes.heads,),
        "0.to_out.0.weight": (width, inner),
        "1.net.0.gamma": (width,),
        "1.net.1.weight": (sizes.hidden, width),
        "1.net.1.bias": (sizes.hidden,),
        "1.net.4.weight": (width, sizes.hidden),
        "1.net.4.bias": (width,),
        **{f"norm.{number}.gamma": (width,) for number in range(norms)},
    }


def block_prefix(layer: int, axis: int, block: int) -> str:
    """Return the beginning of the names of an attention and its hidden layer. `axis`: 0 for time, 1 for bands."""
    return f"layers.{layer}.{axis}.layers.{block}"


def norm_names(sizes: RoformerSizes, layer: int, axis: int) -> list[str]:
    """Return the names of the norms that follow the last attention of a layer along an axis."""
    names = [f"layers.{layer}.{axis}.norm.gamma"] if sizes.transformer_norms else []
    if sizes.final_norm and (layer, axis) == (sizes.layers - 1, 1):
        names.append(FINAL_NORM)
    return names


def rotation_name(axis: int) -> str:
    """Return the name of the rates of the rotary position embedding. All layers share them, for each axis."""
    return f"{block_prefix(0, axis, 0)}.0.rotary_embed.freqs"


def mask_prefix(stem: int, band: int, step: int) -> str:
    """Return the beginning of the names of a linear layer that estimates masks. Activations are between them."""
    return f"mask_estimators.{stem}.to_freqs.{band}.0.{2 * step}"


def mel_bands(sample_rate: int, n_fft: int, count: int) -> tuple[tuple[int, int], ...]:
    """Return the bins of `count` overlapping bands that are equally wide on Slaney's mel scale.

    A band reaches from the centre of the one before it to the centre of the one after it, exclusively, as the
    triangular filters of `librosa.filters.mel` do. The first band also has bin 0, and the last one the highest bin.
    """
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(sample_rate / 2), count + 2))
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    bands = []
    for band, (low, high) in enumerate(zip(edges[:-2], edges[2:], strict=True)):
        start, stop = np.searchsorted(bins, low, "right"), np.searchsorted(bins, high, "left")
        bands.append((0 if band == 0 else int(start), len(bins) if band == count - 1 else int(stop)))
    return tuple(bands)


# Slaney's "Auditory Toolbox" (1998): linear below 1000 Hz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_LINEAR_UNTIL_HZ = 1000.0
_LINEAR_UNTIL_MEL = _LINEAR_UNTIL_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _LINEAR_UNTIL_HZ:
        return hz / _HZ_PER_MEL
    return float(_LINEAR_UNTIL_MEL + np.log(hz / _LINEAR_UNTIL_HZ) / _LOG_STEP)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _LINEAR_UNTIL_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_UNTIL_MEL))
    return np.where(mels < _LINEAR_UNTIL_MEL, mels * _HZ_PER_MEL, logarithmic)


def description(
    sources: tuple[str, ...], sizes: RoformerSizes, *, hop: int, rate: int, overlap: float, rest: str | None
) -> dict[str, Any]:
    """Return `model.json` of a network with these stems, without name, version, licence and checksums.

    `rest`: the source that is the song without those that the network estimates; None if it estimates all.
    """
    return {
        "sources": list(sources),
        **({} if rest is None else {"rest": rest}),
        "sample_rate": rate,
        "channels": CHANNELS,
        "segment": (sizes.frames - 1) * hop,
        "fixed_length": "inside",
        "overlap": overlap,
        "normalise": False,
        "stft": {"n_fft": 2 * (sizes.bins - 1), "hop": hop, "edges": "centred"},
        "inputs": [SPECTRUM],
        "outputs": [SPECTRA],
        "network": {"class": CLASS_NAME, "sizes": sizes.to_dict()},
    }


def layout(sizes: RoformerSizes) -> tuple[TensorPlace, ...]:
    """Return the places of the tensors in `weights.bin`."""
    return place_tensors(sizes.shapes())


def read_sizes(folder: Path) -> RoformerSizes | None:
    """Return the sizes in the description of a model folder; None for another kind of network."""
    network = read_network(folder)
    return RoformerSizes.from_dict(network["sizes"]) if network.get("class") == CLASS_NAME else None


def _as_lists(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_lists(item) for item in value]
    return value
