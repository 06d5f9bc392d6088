"""Base class of the Demucs networks with two branches, one for the spectrogram and one for the waveform."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from unbraid.networks.layers import channels_of, spectra_of, standardise

DEPTH = 4  # number of encoder layers of each branch, and of decoder layers


class TwoBranches(nn.Module, ABC):
    """Two U-Nets. An estimated stem is the waveform plus the inverse transform of the spectrum.

    The first DEPTH modules of `encoder` and `tencoder`, and the last DEPTH of `decoder` and `tdecoder`, belong to one
    branch each. Subclasses connect the branches in `middle`.

    Shape:
        mixture: (b, 2, n)
        spectrum: (b, 2, BINS, ceil(n / 1024), 2), real and imaginary parts
        returns: waveforms (b, sources, 2, n) and spectra (b, sources, 2, BINS, ceil(n / 1024), 2)
    """

    encoder: nn.ModuleList
    tencoder: nn.ModuleList
    decoder: nn.ModuleList
    tdecoder: nn.ModuleList
    freq_emb: nn.Module

    def __init__(self, sources: int) -> None:
        super().__init__()
        self.sources = sources

    @abstractmethod
    def middle(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        """Connect the branches at the bottom: (b, 384, 8, frames) and (b, 384, t) -> the same shapes."""

    def channels_of(self, spectrum: Tensor) -> Tensor:
        """Return what the first spectral encoder reads: (b, 2, BINS, frames, 2) -> (b, channels, BINS, frames)."""
        return channels_of(spectrum)

    def spectra_of(self, x: Tensor, spectrum: Tensor) -> Tensor:
        """Turn the output of the last spectral decoder into spectra, (b, sources, 2, BINS, frames, 2).

        `spectrum`: that of the mixture, as in `forward`.
        """
        return spectra_of(x, self.sources)

    def forward(self, mixture: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        x, mean, deviation = standardise(self.channels_of(spectrum))
        xt, mean_t, deviation_t = standardise(mixture)
        skips, skips_t, lengths = [], [], []
        for k in range(DEPTH):
            lengths.append(xt.shape[-1])
            x, xt = self.encoder[k](x), self.tencoder[k](xt)
            if k == 0:
                x = self.freq_emb(x)
            skips.append(x)
            skips_t.append(xt)
        x, xt = self.middle(x, xt)
        for decoder, decoder_t in zip(list(self.decoder)[-DEPTH:], list(self.tdecoder)[-DEPTH:], strict=True):
            x = decoder(x, skips.pop())
            xt = decoder_t(xt, skips_t.pop(), lengths.pop())
        waveforms = (xt * deviation_t + mean_t).reshape(-1, self.sources, *mixture.shape[1:])
        return waveforms, self.spectra_of(x * deviation + mean, spectrum)
