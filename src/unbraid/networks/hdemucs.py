"""HDemucs: two U-Nets, for spectrogram and waveform, that share their innermost layers.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), in the form of the published
hdemucs_mmi. The Fourier transform and its inverse are not part of the network.
"""

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


class HDemucs(TwoBranches):
    """Two branches with shared innermost layers. Shapes: see `TwoBranches`."""

    def __init__(self, sources: int = 4, channels: int = 48) -> None:
        super().__init__(sources)
        *widths, joined, shared = (channels * 2**k for k in range(DEPTH + 2))  # 48, 96, 192, 384; 768, 1536
        ins, ins_t, outs, outs_t = ([first, *widths[:-1]] for first in (4, 2, 4 * sources, 2 * sources))

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

    def middle(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        """Run the layers that both branches share."""
        joined = self.encoder[DEPTH](x, self.tencoder[DEPTH](xt))
        x = self.decoder[0](self.encoder[DEPTH + 1](joined), joined.shape[-1])
        x, waveform = self.decoder[1](x, joined)
        return x, self.tdecoder[0](waveform, xt.shape[-1])
