"""HDemucs: two U-Nets, for spectrogram and waveform, that share their innermost layers.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), in the form of the published
hdemucs_mmi and mdx_extra. The Fourier transform and its inverse are not part of the network.
"""

import torch
from torch import Tensor, nn

from unbraid.networks.branches import DEPTH, TwoBranches
from unbraid.networks.inner import (
    JoiningEncoder,
    JoiningWaveform,
    SharedDecoder,
    SharedEncoder,
    SplittingDecoder,
    SplittingWaveform,
)
from unbraid.networks.layers import (
    BINS,
    FrequencyEmbedding,
    SpectralDecoder,
    SpectralEncoder,
    WaveformDecoder,
    WaveformEncoder,
)
from unbraid.networks.recurrent import LocalAttention, OverlappingLSTM
from unbraid.networks.residual import Residual

COMPRESS = 4
QUIETEST = 1e-8  # added to magnitudes by which the published class divides


class HDemucs(TwoBranches):
    """Two branches with shared innermost layers. Shapes: see `TwoBranches`.

    `cac` ("complex as channels"): the spectral branch reads and estimates real and imaginary parts. Otherwise it reads
    and estimates magnitudes (the estimates may be negative), and stems get the phase of the mixture. Where the mixture
    is zero, the phase is 0 with `wiener_iters` = 0 and the stem is zero with `wiener_iters` = -1. These are the two
    ways of the published class that need no iterations of a Wiener filter.
    """

    def __init__(self, sources: int = 4, channels: int = 48, cac: bool = True, wiener_iters: int = 0) -> None:
        super().__init__(sources)
        self.cac, self.wiener_iters = cac, wiener_iters
        parts = 2 if cac else 1
        *widths, joined, shared = (channels * 2**k for k in range(DEPTH + 2))  # 48, 96, 192, 384; 768, 1536
        ins, ins_t, outs, outs_t = (
            [first, *widths[:-1]] for first in (2 * parts, 2, 2 * parts * sources, 2 * sources)
        )

        def residual(width: int) -> Residual:
            return Residual(width, COMPRESS)

        def recurrent(width: int) -> Residual:
            return Residual(width, COMPRESS, OverlappingLSTM, LocalAttention)

        self.encoder = nn.ModuleList(
            [
                *(SpectralEncoder(ins[k], widths[k], residual(widths[k])) for k in range(DEPTH)),
                JoiningEncoder(widths[-1], joined, recurrent(joined)),
                SharedEncoder(joined, shared, recurrent(shared)),
            ]
        )
        self.tencoder = nn.ModuleList(
            [
                *(WaveformEncoder(ins_t[k], widths[k], residual(widths[k])) for k in range(DEPTH)),
                JoiningWaveform(widths[-1], joined),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                SharedDecoder(shared, joined),
                SplittingDecoder(joined, widths[-1]),
                *(SpectralDecoder(widths[k], outs[k], None, last=k == 0) for k in reversed(range(DEPTH))),
            ]
        )
        self.tdecoder = nn.ModuleList(
            [
                SplittingWaveform(joined, widths[-1]),
                *(WaveformDecoder(widths[k], outs_t[k], None, last=k == 0) for k in reversed(range(DEPTH))),
            ]
        )
        self.freq_emb = FrequencyEmbedding(BINS // 4, channels)

    def channels_of(self, spectrum: Tensor) -> Tensor:
        """Return real and imaginary parts, or magnitudes, as channels."""
        return super().channels_of(spectrum) if self.cac else magnitudes(spectrum)

    def spectra_of(self, x: Tensor, spectrum: Tensor) -> Tensor:
        """Turn the estimates into spectra."""
        if self.cac:
            return super().spectra_of(x, spectrum)
        estimates = x.reshape(len(x), self.sources, *spectrum.shape[1:-1])
        return estimates[..., None] * self.phases(spectrum)[:, None]

    def phases(self, spectrum: Tensor) -> Tensor:
        """Return complex numbers of magnitude 1 with the phase of the mixture, in the shape of `spectrum`."""
        magnitude = magnitudes(spectrum)
        if self.wiener_iters < 0:
            return spectrum / (QUIETEST + magnitude)[..., None]
        silent = (magnitude == 0).to(spectrum.dtype)
        one = torch.stack([silent, torch.zeros_like(silent)], -1)
        return (spectrum + one) / (magnitude + silent)[..., None]

    def middle(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        """Run the layers that both branches share."""
        joined = self.encoder[DEPTH](x, self.tencoder[DEPTH](xt))
        x = self.decoder[0](self.encoder[DEPTH + 1](joined), joined.shape[-1])
        x, waveform = self.decoder[1](x, joined)
        return x, self.tdecoder[0](waveform, xt.shape[-1])


def magnitudes(spectrum: Tensor) -> Tensor:
    """(..., 2) -> (...)"""
    return spectrum.square().sum(-1).sqrt()
