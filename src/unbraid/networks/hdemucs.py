"""HDemucs: two U-Nets, over the spectrogram and over the waveform, that share their innermost layers.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600). This is the network as the published
hdemucs_mmi uses it. The Fourier transform and its inverse stay outside.
"""

from torch import Tensor, nn

from unbraid.networks.inner import (
    MeetingDecoder,
    MeetingEncoder,
    MeetingWaveform,
    PartingWaveform,
    SharedDecoder,
    SharedEncoder,
)
from unbraid.networks.layers import (
    BINS,
    FrequencyEmbedding,
    SpectralDecoder,
    SpectralEncoder,
    WaveformDecoder,
    WaveformEncoder,
    channels_of,
    spectra_of,
    standardise,
)
from unbraid.networks.recurrent import LocalAttention, OverlappingLSTM
from unbraid.networks.residual import Residual

DEPTH = 4  # of the layers that each branch has for itself
COMPRESS = 4


class HDemucs(nn.Module):
    """The estimated stems are the waveforms plus the inverse transforms of the spectra.

    Shape:
        mixture: (b, 2, n)
        spectrum: (b, 2, BINS, ceil(n / 1024), 2), real and imaginary parts
        returns: waveforms (b, sources, 2, n) and spectra (b, sources, 2, BINS, ceil(n / 1024), 2)
    """

    def __init__(self, sources: int = 4, channels: int = 48) -> None:
        super().__init__()
        self.sources = sources
        *widths, meeting, shared = (channels * 2**k for k in range(DEPTH + 2))  # 48, 96, 192, 384; 768, 1536
        ins, ins_t, outs, outs_t = ([first, *widths[:-1]] for first in (4, 2, 4 * sources, 2 * sources))

        def residual(width: int) -> Residual:
            return Residual(width, COMPRESS)

        def recurrent(width: int) -> Residual:
            return Residual(width, COMPRESS, OverlappingLSTM, LocalAttention)

        self.encoder = nn.ModuleList(
            [
                *(SpectralEncoder(ins[k], widths[k], residual(widths[k])) for k in range(DEPTH)),
                MeetingEncoder(widths[-1], meeting, recurrent(meeting)),
                SharedEncoder(meeting, shared, recurrent(shared)),
            ]
        )
        self.tencoder = nn.ModuleList(
            [
                *(WaveformEncoder(ins_t[k], widths[k], residual(widths[k])) for k in range(DEPTH)),
                MeetingWaveform(widths[-1], meeting),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                SharedDecoder(shared, meeting),
                MeetingDecoder(meeting, widths[-1]),
                *(SpectralDecoder(widths[k], outs[k], None, last=k == 0) for k in reversed(range(DEPTH))),
            ]
        )
        self.tdecoder = nn.ModuleList(
            [
                PartingWaveform(meeting, widths[-1]),
                *(WaveformDecoder(widths[k], outs_t[k], None, last=k == 0) for k in reversed(range(DEPTH))),
            ]
        )
        self.freq_emb = FrequencyEmbedding(BINS // 4, channels)

    def forward(self, mixture: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        x, mean, deviation = standardise(channels_of(spectrum))
        xt, mean_t, deviation_t = standardise(mixture)
        skips, skips_t, lengths = [], [], []
        for k in range(DEPTH):
            lengths.append(xt.shape[-1])
            x, xt = self.encoder[k](x), self.tencoder[k](xt)
            if k == 0:
                x = self.freq_emb(x)
            skips.append(x)
            skips_t.append(xt)
        met = self.encoder[DEPTH](x, self.tencoder[DEPTH](xt))
        x = self.decoder[0](self.encoder[DEPTH + 1](met), met.shape[-1])
        x, parting = self.decoder[1](x, met)
        xt = self.tdecoder[0](parting, xt.shape[-1])
        for k in range(1, DEPTH + 1):
            x = self.decoder[k + 1](x, skips.pop())
            xt = self.tdecoder[k](xt, skips_t.pop(), lengths.pop())
        waveforms = (xt * deviation_t + mean_t).reshape(-1, self.sources, *mixture.shape[1:])
        return waveforms, spectra_of(x * deviation + mean, self.sources)
