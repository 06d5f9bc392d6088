"""MDX23C, a U-Net of convolutions and of linear layers over the bins of each frame.

Kim et al., "Sound Demixing Challenge 2023 Music Demixing Track Technical Report: TFC-TDF-UNet v3" (arXiv 2306.09382).
`unbraid.models.mdx23c` describes the sizes. Parameters have the names and layouts of the published checkpoints. Unless
noted, tensors are (batch, channels, frames, bins).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unbraid.models.mdx23c import CHANNELS, KERNEL, Mdx23cSizes


def _activated(channels: int, layer: nn.Module) -> list[nn.Module]:
    """Return a normalisation over all frames and bins of each channel, an activation, and `layer`."""
    return [nn.InstanceNorm2d(channels, affine=True), nn.GELU(), layer]


def _convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)


class Block(nn.Module):
    """Two convolutions around a TDF, with a shortcut: `inputs` channels -> `outputs` channels."""

    def __init__(self, inputs: int, outputs: int, bins: int, bottleneck: int) -> None:
        super().__init__()
        narrow = bins // bottleneck
        self.tfc1 = nn.Sequential(*_activated(inputs, _convolution(inputs, outputs, KERNEL)))
        self.tdf = nn.Sequential(
            *_activated(outputs, nn.Linear(bins, narrow, bias=False)),
            *_activated(outputs, nn.Linear(narrow, bins, bias=False)),
        )
        self.tfc2 = nn.Sequential(*_activated(outputs, _convolution(outputs, outputs, KERNEL)))
        self.shortcut = _convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.tfc1(x)
        result: Tensor = self.tfc2(features + self.tdf(features)) + self.shortcut(x)
        return result


class Blocks(nn.Module):
    """The blocks of a level: `inputs` channels -> the channels of the level."""

    def __init__(self, sizes: Mdx23cSizes, level: int, inputs: int) -> None:
        super().__init__()
        outputs, (_, bins) = sizes.channels(level), sizes.shape(level)
        self.blocks = nn.Sequential(
            *(
                Block(outputs if block else inputs, outputs, bins, sizes.bottleneck)
                for block in range(sizes.blocks)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.blocks(x)
        return result


class Rescaling(nn.Module):
    """The step to the level below, or back."""

    def __init__(self, inputs: int, layer: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Sequential(*_activated(inputs, layer))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


class Encoder(nn.Module):
    """The blocks of a level, and the step to the level below. Returns the results of both."""

    def __init__(self, sizes: Mdx23cSizes, level: int) -> None:
        super().__init__()
        outer, inner = sizes.channels(level), sizes.channels(level + 1)
        self.tfc_tdf = Blocks(sizes, level, outer)
        self.downscale = Rescaling(outer, nn.Conv2d(outer, inner, sizes.scale, sizes.scale, bias=False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        estimate = self.tfc_tdf(x)
        return estimate, self.downscale(estimate)


class Decoder(nn.Module):
    """The step back to a level, and its blocks, which read the encoder's result too."""

    def __init__(self, sizes: Mdx23cSizes, level: int) -> None:
        super().__init__()
        outer, inner = sizes.channels(level), sizes.channels(level + 1)
        layer = nn.ConvTranspose2d(inner, outer, sizes.scale, sizes.scale, bias=False)
        self.upscale = Rescaling(inner, layer)
        self.tfc_tdf = Blocks(sizes, level, 2 * outer)

    def forward(self, x: Tensor, encoded: Tensor) -> Tensor:
        result: Tensor = self.tfc_tdf(torch.cat([self.upscale(x), encoded], 1))
        return result


class Mdx23c(nn.Module):
    """Separate the spectrum of a mixture into the spectra of `sources`.

    Shape:
        spectrum: (batch, 2, n_fft / 2 + 1, frames, 2), real and imaginary parts of the STFT, scaled by 1 / sqrt(n_fft)
        returns: (batch, sources, 2, n_fft / 2 + 1, frames, 2)
    """

    def __init__(self, sources: int, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self._sizes = known = Mdx23cSizes.from_dict(dict(sizes))
        if sources != known.stems:
            raise ValueError(f"a network for {known.stems} stems can't estimate {sources}")
        width = known.width
        self.first_conv = _convolution(known.inputs, width, 1)
        self.encoder_blocks = nn.ModuleList(Encoder(known, level) for level in range(known.levels))
        self.bottleneck_block = Blocks(known, known.levels, known.channels(known.levels))
        self.decoder_blocks = nn.ModuleList(Decoder(known, level) for level in reversed(range(known.levels)))
        self.final_conv = nn.Sequential(
            _convolution(known.inputs + width, width, 1),
            nn.GELU(),
            _convolution(width, sources * known.inputs, 1),
        )

    def forward(self, spectrum: Tensor) -> Tensor:
        sizes, gain = self._sizes, self._sizes.n_fft**0.5
        batch, _, all_bins, frames, _ = spectrum.shape
        subband = sizes.bins // sizes.subbands
        cut = gain * spectrum[:, :, : sizes.bins].reshape(batch, CHANNELS, sizes.subbands, subband, frames, 2)
        mixture = cut.permute(0, 1, 5, 2, 4, 3).reshape(batch, sizes.inputs, frames, subband)
        first = x = self.first_conv(mixture)
        skipped = []
        for encoder in self.encoder_blocks:
            estimate, x = encoder(x)
            skipped.append(estimate)
        x = self.bottleneck_block(x)
        for decoder in self.decoder_blocks:
            x = decoder(x, skipped.pop())
        stems = self.final_conv(torch.cat([mixture, x * first], 1)) / gain
        split = stems.reshape(batch, sizes.stems, CHANNELS, 2, sizes.subbands, frames, subband)
        joined = split.permute(0, 1, 2, 4, 6, 5, 3).reshape(
            batch, sizes.stems, CHANNELS, sizes.bins, frames, 2
        )
        return functional.pad(joined, (0, 0, 0, 0, 0, all_bins - sizes.bins))


def seeded(sizes: Mdx23cSizes, seed: int = 0) -> Mdx23c:
    """Draw weights, with gains and shifts of norms as different as those of trained networks.

    Other random numbers of the process stay the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Mdx23c(sizes.stems, sizes.to_dict())
        for module in network.modules():
            if isinstance(module, nn.InstanceNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return network.eval().requires_grad_(False)
