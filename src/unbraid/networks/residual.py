"""The residual branches of Demucs (`DConv` in the papers), with little memory traffic.

Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), section 3.2: from many channels to a
few by a convolution over time, normalised, and back by a convolution of width 1, normalised and gated.

The wide tensor between the last convolution and its gate is by far the largest tensor. Its mean and variance are
computed without storing it. Let h(t) be the narrow vectors with the mean m over time, and y(t) = W h(t) + b the wide
vectors with C channels. Channel c has the mean (W m + b)_c. The variance around these means over time, averaged over
channels, is

    1/C  mean over t of |W (h(t) - m)|^2  =  mean over t of (h(t) - m)' G (h(t) - m),    G = W'W / C

which needs only narrow products. The variance of y is this plus the variance of the channel means. With mean M and
deviation s of y, and gain g and offset o of the normalisation, the input of the gate is

    g (y(t) - M) / s + o  =  [gW  gb  -g] [h(t)/s  1/s  M/s]' + o

which is a convolution again. Values and gates are two convolutions, because splitting the result of one would copy
it.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5  # added to variances


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, dilation: int = 1) -> Tensor:
    """Convolve and keep the sizes. `dilation` is over time.

    `weight` is (out, in, width) over time only, or (out, in, height, width) over frequencies and time:
    (b, in, t) -> (b, out, t); (b, in, frequencies, t) -> (b, out, frequencies, t)
    """
    if x.ndim == 3:
        return functional.conv1d(x, weight, bias, padding=weight.shape[-1] // 2 * dilation, dilation=dilation)
    if weight.ndim == 3:
        weight = weight[:, :, None]
    padding = (weight.shape[-2] // 2, weight.shape[-1] // 2 * dilation)
    return functional.conv2d(x, weight, bias, padding=padding, dilation=(1, dilation))


def gated(x: Tensor, weight: Tensor, bias: Tensor | None, scale: Tensor | None = None) -> Tensor:
    """Convolve to values and gates, and multiply values by the sigmoid of gates: (b, in, …, t) -> (b, out, …, t).

    `weight` (2 out, in, …) and `bias` (2 out) have the values first. `scale` (out) is a gain for each channel.
    """
    assert bias is not None
    (values, gates), (value_bias, gate_bias) = weight.chunk(2), bias.chunk(2)
    if scale is not None:
        values, value_bias = scale[:, None, None] * values, scale * value_bias
    return convolve(x, values, value_bias) * convolve(x, gates, gate_bias).sigmoid()


def over_time_and_channels(x: Tensor) -> Tensor:
    """Average over time and channels: (b, channels, …, t) -> (b, 1, …, 1)."""
    return x.mean(-1, keepdim=True).mean(1, keepdim=True)


def along_channels(parameter: Tensor, x: Tensor) -> Tensor:
    """Reshape for broadcasting with `x`: (channels,) -> (channels, 1) or (channels, 1, 1)."""
    return parameter.reshape(-1, *[1] * (x.ndim - 2))


class Branch(nn.Sequential):
    """One residual branch; the caller adds its result to the input: (b, channels, …, t) -> the same shape.

    `inside` are modules between the narrow and the wide convolution, (b, narrow, t) -> the same shape.
    """

    def __init__(self, channels: int, narrow: int, dilation: int, *inside: nn.Module) -> None:
        # The order matches the numbers in the names of the published weights. `forward` uses only the parameters of
        # some modules.
        super().__init__(
            nn.Conv1d(channels, narrow, 3, padding=dilation, dilation=dilation),
            nn.GroupNorm(1, narrow),
            nn.GELU(),
            *inside,
            nn.Conv1d(narrow, 2 * channels, 1),
            nn.GroupNorm(1, 2 * channels),
            nn.GLU(1),
            LayerScale(channels),
        )
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        narrow, norm, gelu, *inside, widen, wide_norm, _, scale = cast(Iterable[Any], self)
        x = gelu(normalised(convolve(x, narrow.weight, narrow.bias, self.dilation), norm))
        for module in inside:
            x = module(x)
        return normalised_and_gated(x, widen, wide_norm, scale.scale)


class LayerScale(nn.Module):
    """A learnt gain for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), 1e-3))


class Residual(nn.Module):
    """Two branches with dilations of 1 and 2, one after the other.

    (b, channels, t) or (b, channels, frequencies, t) -> the same shape; each frequency is computed independently.

    `inside` are classes of the modules inside a branch; each takes the narrow width.
    """

    def __init__(self, channels: int, compress: int, *inside: type[nn.Module]) -> None:
        super().__init__()
        narrow = channels // compress
        self.layers = nn.ModuleList(
            Branch(channels, narrow, dilation, *(module(narrow) for module in inside)) for dilation in (1, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def normalised(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Normalise over time and channels together, then apply a gain and an offset for each channel."""
    centred = x - over_time_and_channels(x)
    variance = over_time_and_channels(centred.square())
    gain = along_channels(norm.weight, x) / torch.sqrt(variance + EPSILON)
    return centred * gain + along_channels(norm.bias, x)


def normalised_and_gated(x: Tensor, widen: nn.Conv1d, norm: nn.GroupNorm, scale: Tensor) -> Tensor:
    """Normalise `widen(x)`, gate and scale it, as derived in the module's docstring."""
    assert widen.bias is not None
    weight, bias = widen.weight, widen.bias[:, None, None]
    channels, narrow, _ = weight.shape
    mean = x.mean(-1, keepdim=True)
    gram = weight[..., 0].T @ weight[..., 0] * (narrow / channels)
    around = over_time_and_channels((x - mean) * convolve(x - mean, gram[..., None]))
    means = convolve(mean, weight, widen.bias)
    middle = means.mean(1, keepdim=True)
    inverse = torch.rsqrt(around + (means - middle).square().mean(1, keepdim=True) + EPSILON)
    constants = torch.cat([inverse, middle * inverse], 1).expand(-1, -1, *x.shape[2:])
    gain = norm.weight[:, None, None]
    together = torch.cat([gain * weight, gain * bias, -gain], 1)
    return gated(torch.cat([x * inverse, constants], 1), together, norm.bias, scale)
