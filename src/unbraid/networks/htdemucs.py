"""HTDemucs: two U-Nets, for spectrogram and waveform, with a transformer across their middle.

Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553), in the
form of the published htdemucs, htdemucs_ft and htdemucs_6s. The Fourier transform and its inverse are not part of the
network.
"""

from torch import Tensor, nn

from unbraid.networks.branches import DEPTH, TwoBranches
from unbraid.networks.layers import (
    BINS,
    FrequencyEmbedding,
    SpectralDecoder,
    SpectralEncoder,
    WaveformDecoder,
    WaveformEncoder,
)
from unbraid.networks.residual import Residual
from unbraid.networks.transformer import CrossTransformer

COMPRESS = 8


class HTDemucs(TwoBranches):
    """Two branches with a transformer across their middle. Shapes: see `TwoBranches`."""

    def __init__(self, sources: int = 4, channels: int = 48, bottom_channels: int = 512) -> None:
        """`bottom_channels`: width of the transformer; 0: the width of the U-Nets' innermost layers."""
        super().__init__(sources)
        widths = [channels * 2**k for k in range(DEPTH)]  # 48, 96, 192, 384
        ins, ins_t, outs, outs_t = ([first, *widths[:-1]] for first in (4, 2, 4 * sources, 2 * sources))

        def residual(width: int) -> Residual:
            return Residual(width, COMPRESS)

        self.encoder = nn.ModuleList(
            SpectralEncoder(ins[k], widths[k], residual(widths[k])) for k in range(DEPTH)
        )
        self.tencoder = nn.ModuleList(
            WaveformEncoder(ins_t[k], widths[k], residual(widths[k])) for k in range(DEPTH)
        )
        self.decoder = nn.ModuleList(
            SpectralDecoder(widths[k], outs[k], residual(widths[k]), last=k == 0)
            for k in reversed(range(DEPTH))
        )
        self.tdecoder = nn.ModuleList(
            WaveformDecoder(widths[k], outs_t[k], residual(widths[k]), last=k == 0)
            for k in reversed(range(DEPTH))
        )
        self.freq_emb = FrequencyEmbedding(BINS // 4, channels)
        self.crosstransformer = CrossTransformer(bottom_channels or widths[-1])
        self.bottom_channels = bottom_channels
        if bottom_channels:
            self.channel_upsampler, self.channel_upsampler_t = (
                nn.Conv1d(widths[-1], bottom_channels, 1) for _ in range(2)
            )
            self.channel_downsampler, self.channel_downsampler_t = (
                nn.Conv1d(bottom_channels, widths[-1], 1) for _ in range(2)
            )

    def middle(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        """Run the transformer at its own width: (b, 384, 8, frames) and (b, 384, t) -> the same shapes."""
        if self.bottom_channels:
            x, xt = apply_pointwise(self.channel_upsampler, x), self.channel_upsampler_t(xt)
        x, xt = self.crosstransformer(x, xt)
        if self.bottom_channels:
            x, xt = apply_pointwise(self.channel_downsampler, x), self.channel_downsampler_t(xt)
        return x, xt


def apply_pointwise(convolution: nn.Module, x: Tensor) -> Tensor:
    """Apply a 1-D convolution of width 1 to a spectrogram: (b, in, f, t) -> (b, out, f, t)."""
    b, _, frequencies, frames = x.shape
    changed: Tensor = convolution(x.flatten(2))
    return changed.reshape(b, -1, frequencies, frames)
