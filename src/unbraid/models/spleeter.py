"""The sizes of a Spleeter with any number of stems. `unbraid.networks.spleeter` is the network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CLASS_NAME = "Spleeter"

BINS = 2049
NETWORK_BINS = 1024  # the U-Nets read the spectrum up to 11 kHz
UPPER_BINS = 128  # below 11 kHz, whose mean mask continues above
FRAMES = 512  # of a segment
SEGMENT = (FRAMES - 1) * 1024
FILTERS = (16, 32, 64, 128, 256, 512)
LEVELS = len(FILTERS)
SCALE = 4096**0.5  # TensorFlow's transform isn't scaled; ours is
EPSILON = 1e-10  # of the division by all estimates

ACTIVATIONS, MASKS = ("relu", "elu"), ("ratio", "softmax")


def number(index: int) -> str:
    """Return the suffix of TensorFlow's names for the layer of that number."""
    return f"_{index}" if index else ""


def names(source: int) -> tuple[list[str], list[str], list[str], str]:
    """Return the names of a U-Net's layers: convolutions, transposed ones, normalisations, and the last layer.

    Layers are numbered over all U-Nets. There are LEVELS convolutions, LEVELS transposed ones, and twice as many
    normalisations: those of the encoder (the last one is unused), then those of the decoder.
    """
    first, norms = (LEVELS + 1) * source, 2 * LEVELS * source
    return (
        [f"conv2d{number(first + level)}" for level in range(LEVELS)],
        [f"conv2d_transpose{number(LEVELS * source + level)}" for level in range(LEVELS)],
        [f"batch_normalization{number(norms + level)}" for level in range(2 * LEVELS)],
        f"conv2d{number(first + LEVELS)}",
    )


@dataclass(frozen=True, slots=True)
class SpleeterSizes:
    """A U-Net for each of `stems`; see `unbraid.networks.spleeter` for `activation` and `masks`."""

    stems: int
    activation: str
    masks: str

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> SpleeterSizes:
        """Return the sizes that `to_dict` wrote. Raises TypeError, ValueError and KeyError."""
        found = cls(int(sizes["stems"]), str(sizes["activation"]), str(sizes["masks"]))
        if found.activation not in ACTIVATIONS or found.masks not in MASKS:
            raise ValueError(f"unknown activation or masks: {found.activation}, {found.masks}")
        return found

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each published tensor, by name. Kernels are as in TensorFlow."""
        shapes: dict[str, tuple[int, ...]] = {}
        inputs = (2, *FILTERS)
        for source in range(self.stems):
            convolutions, transposed, norms, last = names(source)
            for name, one, other in zip(convolutions, inputs, FILTERS, strict=False):
                shapes[f"{name}.kernel"], shapes[f"{name}.bias"] = (5, 5, one, other), (other,)
            outputs = (*FILTERS[-2::-1], 1)
            for level, (name, count) in enumerate(zip(transposed, outputs, strict=True)):
                read = FILTERS[-1] if level == 0 else 2 * FILTERS[-1 - level]
                shapes[f"{name}.kernel"], shapes[f"{name}.bias"] = (5, 5, count, read), (count,)
            for name, channels in zip(norms, (*FILTERS, *outputs), strict=True):
                for part in ("gamma", "beta", "moving_mean", "moving_variance"):
                    shapes[f"{name}.{part}"] = (channels,)
            shapes[f"{last}.kernel"], shapes[f"{last}.bias"] = (4, 4, 1, 2), (2,)
        return shapes


def description(sources: tuple[str, ...], sizes: SpleeterSizes) -> dict[str, Any]:
    """Return `model.json` of a network with these stems, without name, version, licence and checksums."""
    return {
        "sources": list(sources),
        "sample_rate": 44_100,
        "channels": 2,
        "segment": SEGMENT,
        "fixed_length": "inside",
        "overlap": 0.25,
        "normalise": False,
        "stft": {"n_fft": 4096, "hop": 1024, "edges": "centred"},
        "inputs": ["spectrum"],
        "outputs": ["spectra"],
        "network": {"class": CLASS_NAME, "sizes": sizes.to_dict()},
    }
