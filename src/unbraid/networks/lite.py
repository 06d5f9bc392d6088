"""The bundled network: soft masks on a spectrogram, predicted by a small convolutional U-Net over bands.

The mixture's spectrogram is pooled onto a warped frequency axis (fine below 4 kHz, coarse above). Each band of 16
pooled bins becomes a vector, and a U-Net of 3 x 3 convolutions works on the grid of bands and frames. Its outputs are
masks for each stem, channel and pooled bin. They sum to one, so the stems add up to the mixture.

On a CPU, dense convolutions were five to ten times faster to train than recurrent and attention layers of equal size
(see docs/decisions). The band split follows Luo and Yu, "Music Source Separation with Band-split RNN"
(arXiv 2209.15174). Blocks that mix all frequencies in one dense layer follow Choi et al., "Investigating U-Nets with
various intermediate blocks" (arXiv 1912.02591).
"""

from typing import Any

import torch
from torch import Tensor, nn

from unbraid.models.lite import (
    BAND,
    BAND_LEVELS,
    BANDS,
    BINS,
    FEATURES,
    FRAMES_MULTIPLE,
    HOP,
    N_FFT,
    POOLED,
    POOLING,
    LiteConfig,
)

SOURCES = ("drums", "bass", "other", "vocals")  # of the bundled network


def pool(power: Tensor) -> Tensor:
    """Average the power in each pooled bin: (..., BINS, frames) -> (..., POOLED, frames)."""
    parts, start = [], 0
    for width, count in POOLING:
        part = power[..., start : start + width * count, :]
        parts.append(part.reshape(*part.shape[:-2], count, width, -1).mean(-2) if width > 1 else part)
        start += width * count
    return torch.cat(parts, -2)


def unpool(masks: Tensor) -> Tensor:
    """Copy the value of each pooled bin to its bins: (..., POOLED, frames) -> (..., BINS, frames)."""
    parts, start = [], 0
    for width, count in POOLING:
        part = masks[..., start : start + count, :]
        parts.append(part.repeat_interleave(width, -2) if width > 1 else part)
        start += count
    return torch.cat([*parts, masks[..., -1:, :]], -2)


class Residual(nn.Module):
    """Two 3 x 3 convolutions with a skip connection. `dilation`: of the second convolution, over time.

    (batch, channels, bands, frames) -> the same shape
    """

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=(1, dilation), dilation=(1, dilation), bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.convs(x))


class BandMixer(nn.Module):
    """Mix all bands: two dense layers along the bands, with a skip connection.

    (batch, channels, bands, frames) -> the same shape
    """

    def __init__(self, channels: int, bands: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(bands, 2 * bands, 1), nn.ReLU(), nn.Conv2d(2 * bands, bands, 1, bias=False)
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.norm(self.layers(x.transpose(1, 2)).transpose(1, 2))
        return x + mixed


class Stage(nn.Sequential):
    """A residual block and a band mixer."""

    def __init__(self, channels: int, bands: int, dilation: int = 1) -> None:
        super().__init__(Residual(channels, dilation), BandMixer(channels, bands))


class Lite(nn.Module):
    """Separate the spectrum of a mixture into the spectra of all stems.

    Shape:
        spectrum: (batch, 2, BINS, frames, 2), real and imaginary parts of the STFT, scaled by
            1 / sqrt(N_FFT), of a mixture with unit deviation
        returns: (batch, stems, 2, BINS, frames, 2), in the order of `SOURCES` in the bundled network; their sum is
            the input
    """

    hop_cosine: Tensor
    hop_sine: Tensor

    def __init__(self, config: LiteConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or LiteConfig()
        w0, w1, w2 = config.widths
        _, half, quarter = BAND_LEVELS
        turn = 2 * torch.pi * HOP / N_FFT * torch.arange(BINS)[:, None]
        self.register_buffer("hop_cosine", torch.cos(turn), persistent=False)
        self.register_buffer("hop_sine", torch.sin(turn), persistent=False)
        self.normalise = nn.BatchNorm1d(FEATURES * POOLED)
        self.embed = nn.Conv1d(BANDS * BAND * FEATURES, BANDS * w0, 1, groups=BANDS)
        self.encoder0 = Stage(w0, BANDS)
        self.down1 = nn.Conv2d(w0, w1, 2, stride=2)
        self.encoder1 = Stage(w1, half)
        self.down2 = nn.Conv2d(w1, w2, (3, 2), stride=2, padding=(1, 0))
        self.bottom = nn.Sequential(*(Stage(w2, quarter, 2**i) for i in range(config.bottom)))
        self.up1 = nn.ConvTranspose2d(w2, w1, (3, 2), stride=2, padding=(1, 0))
        self.decoder1 = Stage(w1, half)
        self.up0 = nn.ConvTranspose2d(w1, w0, 2, stride=2)
        self.decoder0 = Stage(w0, BANDS)
        masks = config.stems * 2 * BAND
        self.hidden = nn.Conv1d(BANDS * w0, BANDS * config.hidden, 1, groups=BANDS)
        self.masks = nn.Conv1d(BANDS * config.hidden, BANDS * masks, 1, groups=BANDS)

    def features(self, spectrum: Tensor) -> Tensor:
        """Compute the features of each pooled bin, band by band.

        (batch, 2, BINS, frames, 2) -> (batch, BANDS * FEATURES * BAND, frames)

        Four are magnitudes of left, right, middle and side, compressed by the power 0.3. Two are cosine and sine of
        the phase between the channels: the cross-spectrum over the power. Two are cosine and sine of the phase between
        the middle and its previous frame, less the phase advance of a tone at the bin's centre in one hop: they
        distinguish steady tones from noise and vibrato.
        """
        real, imag = spectrum[..., 0], spectrum[..., 1]
        power = pool(real.square() + imag.square())
        left, right = real[:, 0], real[:, 1]
        left_i, right_i = imag[:, 0], imag[:, 1]
        middle, middle_i = left + right, left_i + right_i
        middle_power = pool(0.25 * (middle.square() + middle_i.square()))
        side_power = pool(0.25 * ((left - right).square() + (left_i - right_i).square()))
        powers = torch.stack([power[:, 0], power[:, 1], middle_power, side_power], 1)
        magnitudes = (powers + 1e-7).pow(0.15)
        total = power.sum(1) + 1e-7
        cross = pool(torch.stack([left * right + left_i * right_i, left_i * right - left * right_i], 1))
        before, before_i = (nn.functional.pad(part[..., :-1], (1, 0)) for part in (middle, middle_i))
        turn_r, turn_i = middle * before + middle_i * before_i, middle_i * before - middle * before_i
        cosine, sine = self.hop_cosine, self.hop_sine
        turn = pool(torch.stack([turn_r * cosine + turn_i * sine, turn_i * cosine - turn_r * sine], 1))
        turned = torch.sqrt(middle_power * nn.functional.pad(middle_power[..., :-1], (1, 0))) * 4.0 + 1e-7
        x = torch.cat([magnitudes, 2.0 * cross / total[:, None], turn / turned[:, None]], 1)
        bands = x.reshape(x.shape[0], FEATURES, BANDS, BAND, x.shape[-1])
        return bands.transpose(1, 2).flatten(1, 3)

    def pooled_masks(self, spectrum: Tensor) -> Tensor:
        """Compute masks, (batch, stems, 2, POOLED, frames), that sum to one over the stems."""
        frames = spectrum.shape[3]
        padded = nn.functional.pad(spectrum, (0, 0, 0, -frames % FRAMES_MULTIPLE))
        x = self.embed(self.normalise(self.features(padded)))
        x = torch.relu(x).reshape(x.shape[0], BANDS, -1, x.shape[-1]).transpose(1, 2)
        level0 = self.encoder0(x)
        level1 = self.encoder1(torch.relu(self.down1(level0)))
        x = self.bottom(torch.relu(self.down2(level1)))
        x = self.decoder1(torch.relu(self.up1(x) + level1))
        x = self.decoder0(torch.relu(self.up0(x) + level0))
        x = torch.relu(self.hidden(x.transpose(1, 2).flatten(1, 2)))
        x = self.masks(x)
        grid = x.reshape(x.shape[0], BANDS, self.config.stems, 2, BAND, x.shape[-1])
        return torch.softmax(grid, 2).permute(0, 2, 3, 1, 4, 5).flatten(3, 4)[..., :frames]

    def forward(self, spectrum: Tensor) -> Tensor:
        return unpool(self.pooled_masks(spectrum))[..., None] * spectrum[:, None]


def lite_of_sizes(stems: int, sizes: dict[str, Any]) -> Lite:
    """Return an untrained network for `unbraid.networks.build`. Raises ValueError if the sizes are for other stems."""
    config = LiteConfig.from_dict(sizes)
    if config.stems != stems:
        raise ValueError(f"a network of {config.stems} stems can't have {stems}")
    return Lite(config)
