"""The innermost layers of HDemucs, shared by both branches. All use group normalisation.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), section 3.1. The last eight
frequencies become one, so that both branches are (b, channels, frames) and can be added.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from unbraid.networks.layers import FREQUENCIES, KERNEL, PADDING, STRIDE, pad_to_stride
from unbraid.networks.residual import Residual, along_channels, convolve

GROUPS = 4


class GroupNorm(nn.GroupNorm):
    """PyTorch's GroupNorm with sums in stages: in one sum over a million values, some runtimes lose precision."""

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        centred = x - self.group_mean(x)
        variance = self.group_mean(centred.square())
        return centred * (along_channels(self.weight, x) / torch.sqrt(variance + self.eps)) + along_channels(
            self.bias, x
        )

    def group_mean(self, x: Tensor) -> Tensor:
        """Mean of each group, repeated for its channels: (b, channels, …, t) -> (b, channels, …, 1)."""
        means = x.mean(-1)
        means = means if x.ndim == 3 else means.mean(-1)
        groups = means.reshape(len(x), GROUPS, -1)
        groups = groups.mean(-1, keepdim=True).expand(groups.shape)
        return groups.reshape(len(x), -1, *[1] * (x.ndim - 2))


class JoiningEncoder(nn.Module):
    """Add the waveform branch to the spectral branch: (b, in, 8, t) and (b, out, t) -> (b, out, t)."""

    def __init__(self, channels_in: int, channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, (FREQUENCIES, 1), (STRIDE, 1))
        self.norm1 = GroupNorm(channels)
        self.dconv = residual
        self.rewrite = nn.Conv2d(channels, 2 * channels, 1)
        self.norm2 = GroupNorm(2 * channels)

    def forward(self, x: Tensor, waveform: Tensor) -> Tensor:
        x = self.dconv(functional.gelu(self.norm1(self.conv(x)[:, :, 0] + waveform)))
        return functional.glu(self.norm2(convolve(x, self.rewrite.weight[..., 0], self.rewrite.bias)), 1)


class JoiningWaveform(nn.Module):
    """Waveform input of `JoiningEncoder`: (b, in, n) -> (b, out, ceil(n / 4))."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels, KERNEL, STRIDE, PADDING)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(pad_to_stride(x))
        return y


class SharedEncoder(nn.Module):
    """Halve the frames, rounded up: (b, in, t) -> (b, out, ceil(t / 2))."""

    def __init__(self, channels_in: int, channels: int, residual: Residual) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels, 4, 2, 1)
        self.norm1 = GroupNorm(channels)
        self.dconv = residual
        self.rewrite = nn.Conv1d(channels, 2 * channels, 1)
        self.norm2 = GroupNorm(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (0, x.shape[-1] % 2))
        x = self.dconv(functional.gelu(self.norm1(self.conv(x))))
        return functional.glu(self.norm2(self.rewrite(x)), 1)


class SharedDecoder(nn.Module):
    """The innermost decoder; its input is the encoder's output: (b, in, ceil(length / 2)) -> (b, out, length)."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.rewrite = nn.Conv1d(channels, 2 * channels, 3, padding=1)
        self.norm1 = GroupNorm(2 * channels)
        self.conv_tr = nn.ConvTranspose1d(channels, channels_out, 4, 2)
        self.norm2 = GroupNorm(channels_out)

    def forward(self, skip: Tensor, length: int) -> Tensor:
        x = functional.glu(self.norm1(self.rewrite(skip)), 1)
        return functional.gelu(self.norm2(self.conv_tr(x))[..., 1 : 1 + length])


class SplittingDecoder(nn.Module):
    """Split into both branches: (b, in, t) and a skip connection (b, in, t) -> (b, out, 8, t) and (b, in, t).

    The first result is the spectral branch, the second the input of `SplittingWaveform`.
    """

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.rewrite = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.norm1 = GroupNorm(2 * channels)
        self.conv_tr = nn.ConvTranspose2d(channels, channels_out, (FREQUENCIES, 1), (STRIDE, 1))
        self.norm2 = GroupNorm(channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        # There is one frequency, so the outer two of the kernel's three rows would only see padding.
        x = convolve(x + skip, self.rewrite.weight[:, :, 1], self.rewrite.bias)
        x = functional.glu(self.norm1(x), 1)
        return functional.gelu(self.norm2(self.conv_tr(x[:, :, None]))), x


class SplittingWaveform(nn.Module):
    """Waveform branch after `SplittingDecoder`: (b, in, ceil(length / 4)) -> (b, out, length)."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv_tr = nn.ConvTranspose1d(channels, channels_out, KERNEL, STRIDE)
        self.norm2 = GroupNorm(channels_out)

    def forward(self, x: Tensor, length: int) -> Tensor:
        return functional.gelu(self.norm2(self.conv_tr(x))[..., PADDING : PADDING + length])
