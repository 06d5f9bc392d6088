"""BS-RoFormer and Mel-Band RoFormer: transformers along the time and the bands of a spectrum.

Lu et al., "Music source separation with band-split RoPE transformer" (arXiv 2309.02612), and Wang et al., "Mel-Band
RoFormer for music source separation" (arXiv 2310.01809). `unbraid.models.roformer` describes the sizes.

Parameters have the names and layouts of the published checkpoints. Tokens are (batch, sequence, width), where the
batch is every band (attention along time) or every frame (attention along bands).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unbraid.models.roformer import NUMBERS, RoformerSizes

MAX_PERIOD = 10_000.0
SHORTEST = 1e-12  # length of a vector in the published norm


class Norm(nn.Module):
    """Scale vectors to the length of root `width`, times a learnt gain: (..., width) -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        gains = len(self.gamma) ** 0.5 * self.gamma
        scaled: Tensor = functional.normalize(x, dim=-1, eps=SHORTEST) * gains
        return scaled


class Rotation(nn.Module):
    """Rotary position embedding (Su et al., arXiv 2104.09864) of (batch, heads, n, width) -> the same shape.

    Neighbouring pairs of numbers are rotated by angles that grow with the position.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(MAX_PERIOD ** (-torch.arange(0, width, 2) / width), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[-2], device=x.device)[:, None] * self.freqs
        cosine, sine = angles.cos(), angles.sin()
        first, second = x.reshape(*x.shape[:-1], -1, 2).unbind(-1)
        rotated = (first * cosine - second * sine, second * cosine + first * sine)
        return torch.stack(rotated, -1).flatten(-2)


class Attention(nn.Module):
    """Multi-head attention with a gate for each head: (batch, n, width) -> the same shape."""

    def __init__(self, sizes: RoformerSizes, rotation: Rotation | None) -> None:
        super().__init__()
        inner = sizes.heads * sizes.head_width
        self._heads = sizes.heads
        self.norm = Norm(sizes.width)
        self.to_qkv = nn.Linear(sizes.width, 3 * inner, bias=False)
        self.to_gates = nn.Linear(sizes.width, sizes.heads)
        self.to_out = nn.Sequential(nn.Linear(inner, sizes.width, bias=False))
        if rotation is not None:
            self.rotary_embed = rotation

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        tokens = self.norm(x)
        parts = self.to_qkv(tokens).reshape(*x.shape[:2], 3, self._heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        queries, keys = (rotation(part).to(values.dtype) for part in (queries, keys))
        heads = functional.scaled_dot_product_attention(queries, keys, values)
        gated = heads * self.to_gates(tokens).sigmoid().transpose(1, 2)[..., None]
        mixed: Tensor = self.to_out(gated.transpose(1, 2).flatten(2))
        return mixed


class HiddenLayer(nn.Module):
    """Two linear layers for each token: (..., width) -> the same shape."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        # Places 3 and 5 of the published layers are for dropout in training.
        self.net = nn.Sequential(
            Norm(sizes.width),
            nn.Linear(sizes.width, sizes.hidden),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(sizes.hidden, sizes.width),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result


class Block(nn.ModuleList):
    """An attention and a hidden layer: (batch, n, width) -> the same shape."""

    def __init__(self, sizes: RoformerSizes, rotation: Rotation | None) -> None:
        super().__init__([Attention(sizes, rotation), HiddenLayer(sizes)])

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        attention, hidden = self
        x = x + attention(x, rotation)
        result: Tensor = x + hidden(x)
        return result


class Transformer(nn.Module):
    """Attentions and hidden layers along one axis: (batch, n, width) -> the same shape."""

    def __init__(self, sizes: RoformerSizes, depth: int, rotation: Rotation | None) -> None:
        super().__init__()
        # The first attention owns the rotation, which all layers share.
        self.layers = nn.ModuleList(Block(sizes, rotation if block == 0 else None) for block in range(depth))
        self.norm = Norm(sizes.width) if sizes.transformer_norms else nn.Identity()

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        for block in self.layers:
            x = block(x, rotation)
        normalised: Tensor = self.norm(x)
        return normalised


class Layer(nn.ModuleList):
    """Transformers along time and along bands: (batch, frames, bands, width) -> the same shape."""

    def __init__(self, sizes: RoformerSizes, rotations: Sequence[Rotation] | None) -> None:
        along_time, along_bands = rotations or (None, None)
        super().__init__(
            [
                Transformer(sizes, sizes.time_depth, along_time),
                Transformer(sizes, sizes.band_depth, along_bands),
            ]
        )

    def forward(self, x: Tensor, rotations: Sequence[Rotation]) -> Tensor:
        batch, frames, bands, _ = x.shape
        along_time, along_bands = self
        x = along_time(x.transpose(1, 2).reshape(batch * bands, frames, -1), rotations[0])
        x = x.reshape(batch, bands, frames, -1).transpose(1, 2)
        x = along_bands(x.reshape(batch * frames, bands, -1), rotations[1])
        return x.reshape(batch, frames, bands, -1)


class BandSplit(nn.Module):
    """Turn the numbers of each band into a token: (batch, frames, bins * NUMBERS) -> (batch, frames, bands, width)."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        self._bands = sizes.bands
        self.to_features = nn.ModuleList(
            nn.Sequential(Norm(numbers), nn.Linear(numbers, sizes.width)) for numbers in sizes.band_numbers
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = [
            layer(x[..., start * NUMBERS : stop * NUMBERS])
            for (start, stop), layer in zip(self._bands, self.to_features, strict=True)
        ]
        return torch.stack(tokens, -2)


class MaskEstimator(nn.Module):
    """Masks of a stem for all bands: (batch, frames, bands, width) -> (batch, frames, numbers of all bands)."""

    def __init__(self, sizes: RoformerSizes) -> None:
        super().__init__()
        self.to_freqs = nn.ModuleList(
            nn.Sequential(_linear_layers((sizes.width, *sizes.mask_widths, 2 * numbers)), nn.GLU())
            for numbers in sizes.band_numbers
        )

    def forward(self, tokens: Tensor) -> Tensor:
        bands = zip(tokens.unbind(-2), self.to_freqs, strict=True)
        return torch.cat([layers(token) for token, layers in bands], -1)


def _linear_layers(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Roformer(nn.Module):
    """Separate the spectrum of a mixture into the spectra of `sources`.

    Shape:
        spectrum: (batch, 2, bins, frames, 2), real and imaginary parts of the STFT
        returns: (batch, sources, 2, bins, frames, 2)
    """

    bin_indices: Tensor
    gains: Tensor

    def __init__(self, sources: int, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        known = RoformerSizes.from_dict(dict(sizes))
        if sources != known.stems:
            raise ValueError(f"a network for {known.stems} stems can't estimate {sources}")
        # Not a list of modules: the first layer registers them, under their published names.
        self._rotations = tuple(Rotation(known.head_width) for _ in range(2))
        self.layers = nn.ModuleList(
            Layer(known, self._rotations if layer == 0 else None) for layer in range(known.layers)
        )
        self.band_split = BandSplit(known)
        self.final_norm = Norm(known.width) if known.final_norm else nn.Identity()
        self.mask_estimators = nn.ModuleList(MaskEstimator(known) for _ in range(sources))
        self.register_buffer("bin_indices", torch.from_numpy(known.bin_indices), persistent=False)
        self.register_buffer("gains", torch.from_numpy(known.mask_gains), persistent=False)

    def forward(self, spectrum: Tensor) -> Tensor:
        x = self.band_split(spectrum.permute(0, 3, 2, 1, 4).flatten(2))
        for layer in self.layers:
            x = layer(x, self._rotations)
        tokens = self.final_norm(x)
        return torch.stack(
            [self._masked(spectrum, estimator(tokens)) for estimator in self.mask_estimators], 1
        )

    def _masked(self, spectrum: Tensor, masks: Tensor) -> Tensor:
        """Multiply the spectrum by the mean of the masks at each bin."""
        by_bin = masks.to(spectrum.dtype).reshape(
            *masks.shape[:2], -1, 2, 2
        )  # (batch, frames, bins of all bands, channels, 2)
        total = by_bin.new_zeros(*by_bin.shape[:2], len(self.gains), 2, 2)
        total = total.index_add(2, self.bin_indices, by_bin) * self.gains[:, None, None]
        mask = torch.view_as_complex(total.contiguous()).permute(0, 3, 2, 1)
        product = torch.view_as_complex(spectrum.contiguous()) * mask
        return torch.view_as_real(product)
