"""The layers that HTDemucs and HDemucs share: encoders, decoders and the residual branches inside them.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600). Modules have the names that
they have in the published weights, so that those load as they are.

Two branches run side by side. Tensors of the spectral branch are (b, channels, frequencies, t), those of the
waveform branch (b, channels, t). A spectral layer works along the frequencies alone; time is seen only by the
residual branches (and by a width of three in the decoders), which see each frequency as an item of a batch.
"""

from torch import Tensor, nn
from torch.nn import functional

from unbraid.networks.residual import Residual, gated

BINS = 2048
FREQUENCIES = BINS // 4**4  # that are left after four layers: 8
KERNEL = 8
STRIDE = 4
PADDING = KERNEL // 4  # on both sides, so that n * STRIDE positions give n


class SpectralEncoder(nn.Module):
    """A quarter of the frequencies, more channels: (b, in, 4 f, t) -> (b, out, f, t)."""

    def __init__(self, channels_in: int, channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, (KERNEL, 1), (STRIDE, 1), (PADDING, 0))
        self.dconv = residual
        self.rewrite = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dconv(functional.gelu(self.conv(x)))
        return gated(x, self.rewrite.weight, self.rewrite.bias)


class WaveformEncoder(nn.Module):
    """A quarter of the samples, rounded up; more channels: (b, in, n) -> (b, out, ceil(n / 4))."""

    def __init__(self, channels_in: int, channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels, KERNEL, STRIDE, PADDING)
        self.dconv = residual
        self.rewrite = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dconv(functional.gelu(self.conv(fill_up(x))))
        return gated(x, self.rewrite.weight, self.rewrite.bias)


class SpectralDecoder(nn.Module):
    """Four times the frequencies, fewer channels: (b, in, f, t) and the encoder's, alike -> (b, out, 4 f, t)."""

    def __init__(self, channels: int, channels_out: int, residual: Residual | None, *, last: bool) -> None:
        super().__init__()
        self.rewrite = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.dconv = residual
        self.conv_tr = nn.ConvTranspose2d(channels, channels_out, (KERNEL, 1), (STRIDE, 1), (PADDING, 0))
        self.last = last

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = gated(x + skip, self.rewrite.weight, self.rewrite.bias)
        if self.dconv is not None:
            x = self.dconv(x)
        x = self.conv_tr(x)
        return x if self.last else functional.gelu(x)


class WaveformDecoder(nn.Module):
    """Four times the samples, cut to `length`: (b, in, n) and the encoder's, alike -> (b, out, length)."""

    def __init__(self, channels: int, channels_out: int, residual: Residual | None, *, last: bool) -> None:
        super().__init__()
        self.rewrite = nn.Conv1d(channels, 2 * channels, 3, padding=1)
        self.dconv = residual
        self.conv_tr = nn.ConvTranspose1d(channels, channels_out, KERNEL, STRIDE, PADDING)
        self.last = last

    def forward(self, x: Tensor, skip: Tensor, length: int) -> Tensor:
        x = gated(x + skip, self.rewrite.weight, self.rewrite.bias)
        if self.dconv is not None:
            x = self.dconv(x)
        x = self.conv_tr(x)[..., :length]
        return x if self.last else functional.gelu(x)


class FrequencyEmbedding(nn.Module):
    """A learnt vector for each frequency, as convolutions alone can't tell them apart.

    (b, channels, frequencies, t) -> the same, vectors added
    """

    # The published weights are a tenth of the vectors, which count a fifth.
    SCALE = 10 * 0.2

    def __init__(self, frequencies: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(frequencies, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.SCALE * self.embedding.weight.T[:, :, None]


def fill_up(x: Tensor) -> Tensor:
    """Zeros at the end, to a multiple of the stride: (b, channels, n) -> (b, channels, 4 ceil(n / 4))."""
    return functional.pad(x, (0, -x.shape[-1] % STRIDE))


def standardise(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each item of the batch brought to mean 0 and deviation 1; that mean and deviation as (b, 1, …)."""
    axes = tuple(range(1, x.ndim))
    mean, deviation = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
    return (x - mean) / (1e-5 + deviation), mean, deviation


def channels_of(spectrum: Tensor) -> Tensor:
    """Real and imaginary parts as channels: (b, 2, bins, frames, 2) -> (b, 4, bins, frames)."""
    return spectrum.permute(0, 1, 4, 2, 3).flatten(1, 2)


def spectra_of(x: Tensor, sources: int) -> Tensor:
    """The reverse, for all sources: (b, sources * 4, bins, frames) -> (b, sources, 2, bins, frames, 2)."""
    b, _, bins, frames = x.shape
    return x.reshape(b, sources, 2, 2, bins, frames).permute(0, 1, 2, 4, 5, 3)
