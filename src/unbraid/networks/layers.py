"""Encoders and decoders that HTDemucs and HDemucs share.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600). Modules have the names of the
published weights, so that the weights load unchanged.

Tensors are (b, channels, frequencies, t) in the spectral branch and (b, channels, t) in the waveform branch. A spectral
layer convolves along frequencies only. The residual branches inside it convolve along time, with each frequency as an
item of the batch; a decoder also has a kernel that spans three frames.
"""

from torch import Tensor, nn
from torch.nn import functional

from unbraid.networks.residual import Residual, gated

BINS = 2048
FREQUENCIES = BINS // 4**4  # after four layers: 8
KERNEL = 8
STRIDE = 4
PADDING = KERNEL // 4  # on both sides, so that n * STRIDE inputs give n outputs


class SpectralEncoder(nn.Module):
    """Reduce the frequencies to a quarter: (b, in, 4 f, t) -> (b, out, f, t)."""

    def __init__(self, channels_in: int, channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, (KERNEL, 1), (STRIDE, 1), (PADDING, 0))
        self.dconv = residual
        self.rewrite = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dconv(functional.gelu(self.conv(x)))
        return gated(x, self.rewrite.weight, self.rewrite.bias)


class WaveformEncoder(nn.Module):
    """Reduce the samples to a quarter, rounded up: (b, in, n) -> (b, out, ceil(n / 4))."""

    def __init__(self, channels_in: int, channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels, KERNEL, STRIDE, PADDING)
        self.dconv = residual
        self.rewrite = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dconv(functional.gelu(self.conv(pad_to_stride(x))))
        return gated(x, self.rewrite.weight, self.rewrite.bias)


class SpectralDecoder(nn.Module):
    """Expand the frequencies by four: (b, in, f, t) and a skip connection (b, in, f, t) -> (b, out, 4 f, t)."""

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
    """Expand the samples by four, cut to `length`: (b, in, n) and a skip connection (b, in, n) -> (b, out, length)."""

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
    """Add a learnt vector for each frequency, because convolutions can't distinguish frequencies.

    (b, channels, frequencies, t) -> the same shape
    """

    # Published weights are stored divided by 10 (emb_scale), and added with a factor of 0.2 (freq_emb).
    SCALE = 10 * 0.2

    def __init__(self, frequencies: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(frequencies, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.SCALE * self.embedding.weight.T[:, :, None]


def pad_to_stride(x: Tensor) -> Tensor:
    """Append zeros up to a multiple of the stride: (b, channels, n) -> (b, channels, 4 ceil(n / 4))."""
    return functional.pad(x, (0, -x.shape[-1] % STRIDE))


def standardise(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scale each item of the batch to mean 0 and deviation 1. Also return mean and deviation, (b, 1, …)."""
    axes = tuple(range(1, x.ndim))
    mean, deviation = x.mean(axes, keepdim=True), x.std(axes, keepdim=True)
    return (x - mean) / (1e-5 + deviation), mean, deviation


def channels_of(spectrum: Tensor) -> Tensor:
    """Turn real and imaginary parts into channels: (b, 2, bins, frames, 2) -> (b, 4, bins, frames)."""
    return spectrum.permute(0, 1, 4, 2, 3).flatten(1, 2)


def spectra_of(x: Tensor, sources: int) -> Tensor:
    """Undo `channels_of` for all sources: (b, sources * 4, bins, frames) -> (b, sources, 2, bins, frames, 2)."""
    b, _, bins, frames = x.shape
    return x.reshape(b, sources, 2, 2, bins, frames).permute(0, 1, 2, 4, 5, 3)
