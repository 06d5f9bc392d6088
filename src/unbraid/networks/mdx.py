"""MDX-Net (Kim et al., "KUIELab-MDX-Net: A Two-Stream Neural Network for Music Demixing", arXiv 2111.12203): the
TFC-TDF U-Net of its spectrogram stream, which estimates the complex spectrum of one source.

A TFC ("time-frequency convolutions") is a row of 3 x 3 convolutions. A TDF ("time-distributed fully connected layers")
maps all bins of a frame to all bins through a narrow layer, with the same weights for all frames and channels. The
estimates of the encoder multiply those of the decoder, instead of being appended to them.

Published models are ONNX files, so Unbraid doesn't need this module to run them. It writes networks of the published
structure with seeded weights for tests and benchmarks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

PARTS = 4  # real and imaginary parts of two channels
GROUPS = 2  # of a group normalisation


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a network. The defaults are those of the files of UVR: they give the sizes of these files in bytes."""

    bins: int = 3072
    """Also 2048 and 2560 in published files."""
    frames: int = 256
    growth: int = 48
    """Channels of the outermost level; each deeper level has as many more. 32 in the files of KUIELab."""
    levels: int = 5
    """Levels below the outermost one. Each halves bins and frames."""
    convolutions: int = 3
    """Of a TFC."""
    bottleneck: int = 8
    """The narrow layer of a TDF has this fraction of the bins."""
    norm: str = "batch"
    """Normalisation: "batch", or "group" as with newer training programs."""


class _Block(nn.Module):
    """A TFC, to whose result a TDF is added: (batch, channels, frames, bins) -> the same."""

    def __init__(self, sizes: Sizes, channels: int, bins: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.tfc = nn.Sequential()
        for _ in range(sizes.convolutions):
            self.tfc.extend([nn.Conv2d(channels, channels, 3, padding=1), norm(channels), nn.ReLU()])
        narrow = bins // sizes.bottleneck
        self.tdf = nn.Sequential()
        for inputs, outputs in ((bins, narrow), (narrow, bins)):
            self.tdf.extend([nn.Linear(inputs, outputs, bias=False), norm(channels), nn.ReLU()])

    def forward(self, x: Tensor) -> Tensor:
        x = self.tfc(x)
        result: Tensor = x + self.tdf(x)
        return result


class MdxNet(nn.Module):
    """Estimate the spectrum of a source.

    Shape:
        spectrum: (batch, PARTS, bins, frames): real and imaginary part of the left channel, then of the right one
        returns: the same
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()

        def norm(channels: int) -> nn.Module:
            return nn.BatchNorm2d(channels) if sizes.norm == "batch" else nn.GroupNorm(GROUPS, channels)

        growth, levels = sizes.growth, range(sizes.levels)
        channels = [growth * (level + 1) for level in range(sizes.levels + 1)]
        bins = [sizes.bins >> level for level in range(sizes.levels + 1)]
        self.first = nn.Sequential(nn.Conv2d(PARTS, growth, 1), norm(growth), nn.ReLU())
        self.encoder = nn.ModuleList(_Block(sizes, channels[k], bins[k], norm) for k in levels)
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels[k], channels[k + 1], 2, 2), norm(channels[k + 1]), nn.ReLU())
            for k in levels
        )
        self.deepest = _Block(sizes, channels[-1], bins[-1], norm)
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(channels[k + 1], channels[k], 2, 2), norm(channels[k]), nn.ReLU()
            )
            for k in levels
        )
        self.decoder = nn.ModuleList(_Block(sizes, channels[k], bins[k], norm) for k in levels)
        self.last = nn.Conv2d(growth, PARTS, 1)

    def forward(self, spectrum: Tensor) -> Tensor:
        x = self.first(spectrum).transpose(-1, -2)
        skipped = []
        for encoder, down in zip(self.encoder, self.down, strict=True):
            x = encoder(x)
            skipped.append(x)
            x = down(x)
        x = self.deepest(x)
        for level in reversed(range(len(skipped))):
            x = self.decoder[level](self.up[level](x) * skipped[level])
        result: Tensor = self.last(x.transpose(-1, -2))
        return result


def seeded(sizes: Sizes, seed: int = 0, scale: float = 10.0) -> MdxNet:
    """Draw weights, and normalise all activations as training would, for spectra of the magnitude `scale`.

    Other random numbers of the process stay the same.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = MdxNet(sizes)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0  # take the statistics of the next call
        frames = 1 << sizes.levels
        estimate = network.train()(scale * torch.randn(1, PARTS, sizes.bins, 2 * frames))
        network.last.weight *= scale / estimate.std()
    return network.eval().requires_grad_(False)


def export(network: MdxNet, sizes: Sizes, path: Path, opset: int = 13) -> None:
    """Write the network as an ONNX file, with inputs and outputs named as in the published files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, PARTS, sizes.bins, sizes.frames),),
            str(path),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch_size"}, "output": {0: "batch_size"}},
            opset_version=opset,
            dynamo=False,
        )
