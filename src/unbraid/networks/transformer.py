"""The transformer in the middle of HTDemucs, with attention between spectrogram and waveform.

Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553), after Vaswani et
al., "Attention Is All You Need" (arXiv 1706.03762). Each branch is a sequence of tokens, (b, tokens, width); even
layers attend to their own branch, odd ones to the other.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

MAX_PERIOD = 10_000.0
HEADS = 8


class Attention(nn.Module):
    """Multi-head attention of (b, n, width) to (b, m, width) -> (b, n, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Rows for queries, then for keys, then for values.
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        width = x.shape[-1]
        queries, keys, values = (
            functional.linear(tokens, self.in_proj_weight[rows], self.in_proj_bias[rows])
            .reshape(len(tokens), -1, HEADS, width // HEADS)
            .transpose(1, 2)
            for tokens, rows in (
                (x, slice(width)),
                (other, slice(width, 2 * width)),
                (other, slice(2 * width, None)),
            )
        )
        heads = functional.scaled_dot_product_attention(queries, keys, values)
        mixed: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return mixed


class Scale(nn.Module):
    """A learnt gain for each feature: (b, n, width) -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,), 1e-4))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class WholeNorm(nn.GroupNorm):
    """Normalise all tokens of an item with one mean and deviation: (b, n, width) -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__(1, width)

    def forward(self, x: Tensor) -> Tensor:
        # Sums in two stages: in one sum over a million values, some runtimes lose float32 precision.
        centred = x - x.mean(1, keepdim=True).mean(2, keepdim=True)
        variance = centred.square().mean(1, keepdim=True).mean(2, keepdim=True)
        return centred * (self.weight / torch.sqrt(variance + self.eps)) + self.bias


class FeedForward(nn.Module):
    """The end of both kinds of layers: a wide layer for each token, then `WholeNorm`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm_out = WholeNorm(width)
        self.gamma_1 = Scale(width)
        self.gamma_2 = Scale(width)

    def feed_forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        x = x + self.gamma_2(self.linear2(functional.gelu(self.linear1(norm(x)))))
        normalised: Tensor = self.norm_out(x)
        return normalised


class SelfLayer(FeedForward):
    """Attention to the same branch: (b, n, width) -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = Attention(width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm1(x)
        return self.feed_forward(x + self.gamma_1(self.self_attn(tokens, tokens)), self.norm2)


class CrossLayer(FeedForward):
    """Attention to the other branch: (b, n, width), (b, m, width) -> (b, n, width)."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.cross_attn = Attention(width)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        x = x + self.gamma_1(self.cross_attn(self.norm1(x), self.norm2(other)))
        return self.feed_forward(x, self.norm3)


class CrossTransformer(nn.Module):
    """Layers over both branches: even ones attend to their own branch, odd ones to the other.

    Shape:
        x: (b, width, frequencies, frames), the spectral branch
        xt: (b, width, t), the waveform branch
        returns: the same shapes
    """

    def __init__(self, width: int, layers: int = 5) -> None:
        super().__init__()
        self.norm_in, self.norm_in_t = nn.LayerNorm(width), nn.LayerNorm(width)
        self.layers, self.layers_t = (
            nn.ModuleList(SelfLayer(width) if k % 2 == 0 else CrossLayer(width) for k in range(layers))
            for _ in range(2)
        )
        self.grid_positions, self.positions = GridPositions(width), Positions(width)

    def forward(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        b, width, frequencies, frames = x.shape
        # Order of tokens: frame by frame, each from the lowest frequency to the highest.
        x = self.norm_in(x.permute(0, 3, 2, 1).flatten(1, 2)) + self.grid_positions(frequencies, frames)
        xt = self.norm_in_t(xt.transpose(1, 2)) + self.positions(xt.shape[-1])
        for k, (layer, layer_t) in enumerate(zip(self.layers, self.layers_t, strict=True)):
            x, xt = (layer(x), layer_t(xt)) if k % 2 == 0 else (layer(x, xt), layer_t(xt, x))
        return x.reshape(b, frames, frequencies, width).permute(0, 3, 2, 1), xt.transpose(1, 2)


class Positions(nn.Module):
    """Position embedding of the waveform: n -> (n, width), half cosines, half sines.

    The periods rise from 2 pi to 2 pi MAX_PERIOD.
    """

    periods: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.register_buffer("periods", MAX_PERIOD ** (torch.arange(half) / (half - 1)), persistent=False)

    def forward(self, n: int) -> Tensor:
        phase = torch.arange(n, device=self.periods.device)[:, None] / self.periods
        return torch.cat([phase.cos(), phase.sin()], 1)


class GridPositions(nn.Module):
    """Position embedding of the spectrogram: frequencies, frames -> (frames * frequencies, width).

    The first half encodes the frame, the second the frequency. Sines and cosines alternate.
    """

    rates: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        rates = torch.exp(torch.arange(0, half, 2) * (-math.log(MAX_PERIOD) / half))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, frequencies: int, frames: int) -> Tensor:
        frame = self.along(frames)[:, None].expand(-1, frequencies, -1)
        frequency = self.along(frequencies)[None].expand(frames, -1, -1)
        return torch.cat([frame, frequency], -1).flatten(0, 1)

    def along(self, n: int) -> Tensor:
        """Return the embedding along one axis: n -> (n, width / 2)."""
        phase = torch.arange(n, device=self.rates.device)[:, None] * self.rates
        return torch.stack([phase.sin(), phase.cos()], -1).flatten(1)
