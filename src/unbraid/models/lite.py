"""The bundled network: frequency axis, and sizes as data. `unbraid.networks.lite` is the network in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

CLASS_NAME = "Lite"

SAMPLE_RATE = 44_100
N_FFT = 4096
HOP = 1024
BINS = N_FFT // 2 + 1  # 2049

# Pooled frequency axis: (bins pooled into one, how many pooled bins). One bin is 44100 / 4096 = 10.8 Hz.
POOLING = ((1, 384), (2, 256), (4, 288))  # to 4.1 kHz, to 9.6 kHz, to 22.05 kHz
POOLED = sum(count for _, count in POOLING)  # 928
BAND = 16  # pooled bins per band
BANDS = POOLED // BAND  # 58
FEATURES = 8  # per pooled bin: see Lite.features
# The Nyquist bin shares its neighbour's mask.
assert sum(width * count for width, count in POOLING) == BINS - 1

BAND_LEVELS = (BANDS, BANDS // 2, (BANDS // 2 + 1) // 2)  # 58, 29, 15: bands at the U-Net's levels

FRAMES_MULTIPLE = 4  # the frame rate is halved twice
FRAMES = 108 * FRAMES_MULTIPLE  # of a segment of a built graph
SEGMENT = (FRAMES - 1) * HOP  # 10.0 s


@dataclass(frozen=True)
class LiteConfig:
    """Channels of the U-Net's three levels, residual blocks at its bottom, hidden units of the mask layer, stems."""

    widths: tuple[int, int, int] = (48, 96, 160)
    bottom: int = 4
    hidden: int = 96
    stems: int = 4

    def to_dict(self) -> dict[str, Any]:
        """Return the sizes for JSON."""
        return {**asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_dict(cls, sizes: dict[str, Any]) -> LiteConfig:
        """Return the sizes that `to_dict` wrote. Raises TypeError, ValueError and KeyError."""
        first, second, third = sizes["widths"]
        return cls(
            (int(first), int(second), int(third)), *(int(sizes[k]) for k in ("bottom", "hidden", "stems"))
        )

    def stages(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield each stage of the U-Net: name, channels, bands, dilation of its second convolution."""
        for level in (0, 1):
            for side in ("encoder", "decoder"):
                yield f"{side}{level}", self.widths[level], BAND_LEVELS[level], 1
        for number in range(self.bottom):
            yield f"bottom.{number}", self.widths[2], BAND_LEVELS[2], 2**number

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor of the network, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        w0, w1, w2 = self.widths

        def norm(name: str, channels: int) -> None:
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{name}.{part}"] = (channels,)

        def layer(name: str, *shape: int, bias: int | None = None) -> None:
            shapes[f"{name}.weight"] = shape
            if bias:
                shapes[f"{name}.bias"] = (bias,)

        norm("normalise", FEATURES * POOLED)
        layer("embed", BANDS * w0, BAND * FEATURES, 1, bias=BANDS * w0)
        for name, width, bands, _ in self.stages():
            for conv, normal in ((0, 1), (3, 4)):
                layer(f"{name}.0.convs.{conv}", width, width, 3, 3)
                norm(f"{name}.0.convs.{normal}", width)
            layer(f"{name}.1.layers.0", 2 * bands, bands, 1, 1, bias=2 * bands)
            layer(f"{name}.1.layers.2", bands, 2 * bands, 1, 1)
            norm(f"{name}.1.norm", width)
        layer("down1", w1, w0, 2, 2, bias=w1)
        layer("down2", w2, w1, 3, 2, bias=w2)
        layer("up1", w2, w1, 3, 2, bias=w1)
        layer("up0", w1, w0, 2, 2, bias=w0)
        masks = BANDS * self.stems * 2 * BAND
        layer("hidden", BANDS * self.hidden, w0, 1, bias=BANDS * self.hidden)
        layer("masks", masks, self.hidden, 1, bias=masks)
        return shapes


def description(sources: tuple[str, ...], sizes: LiteConfig) -> dict[str, Any]:
    """Return `model.json` of a network with these stems, without name, version, licence and checksums."""
    return {
        "sources": list(sources),
        "sample_rate": SAMPLE_RATE,
        "channels": 2,
        "segment": SEGMENT,
        "fixed_length": "inside",
        "overlap": 0.1,
        "normalise": "scale",
        "stft": {"n_fft": N_FFT, "hop": HOP, "edges": "centred"},
        "inputs": ["spectrum"],
        "outputs": ["spectra"],
        "network": {"class": CLASS_NAME, "sizes": sizes.to_dict()},
    }
