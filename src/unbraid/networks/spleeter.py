"""Spleeter (Hennequin et al., "Spleeter: a fast and efficient music source separation tool with pre-trained models",
JOSS 2020): a U-Net for each source estimates its magnitudes, and their squares decide how the mixture is divided.

The U-Nets are those of Jansson et al., "Singing voice separation with deep U-Net convolutional networks" (ISMIR 2017).
They see magnitudes up to 11 kHz; above, the masks continue.

Layers and parameters have the names and layouts of the published TensorFlow checkpoints, with dots for slashes. There,
kernels are (time, frequency, ...), and layers are numbered over all U-Nets: conv2d, conv2d_1, ... Tensors here are
(batch, channels, bins, frames), so that no activation has to be transposed; kernels are, once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from unbraid.models.spleeter import BINS, EPSILON, FILTERS, LEVELS, NETWORK_BINS, SCALE, UPPER_BINS, number

FRAMES_MULTIPLE = 2**LEVELS  # every level halves bins and frames


class Conv2D(nn.Module):
    """A convolution with TensorFlow's padding "same": with stride 2, one zero before and two after."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(size, size, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self._stride = stride
        self._dilation = dilation
        padding = dilation * (size - 1) + 1 - stride
        self._padding = (padding // 2, padding - padding // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        weight = self.kernel.permute(3, 2, 1, 0)
        padded = functional.pad(x, self._padding)
        return functional.conv2d(padded, weight, self.bias, self._stride, dilation=self._dilation)


class Conv2DTranspose(nn.Module):
    """The transpose of a `Conv2D` of 5 x 5 and stride 2: doubles bins and frames."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(5, 5, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.kernel.permute(3, 2, 1, 0)
        # `padding` removes one value at both ends; TensorFlow removes two at the end.
        return functional.conv_transpose2d(x, weight, self.bias, stride=2, padding=1)[..., :-1, :-1]


class BatchNormalization(nn.Module):
    """Normalise each channel by the mean and variance of the training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))
        self.moving_mean = nn.Parameter(torch.empty(channels))
        self.moving_variance = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        gain = self.gamma * (self.moving_variance + 1e-3).rsqrt()
        return x * gain[:, None, None] + (self.beta - self.moving_mean * gain)[:, None, None]


class Spleeter(nn.Module):
    """Separate the spectrum of a mixture into the spectra of all sources.

    `activation`: "relu" (leaky in the encoder) as in the published model of two stems, or "elu". `masks`: "ratio" if
    each U-Net estimates magnitudes alone, "softmax" if the estimates of all U-Nets add up, as with five stems.

    Shape:
        spectrum: (batch, 2, BINS, frames, 2), real and imaginary parts of the STFT, scaled by 1 / sqrt(N_FFT);
            frames is a multiple of FRAMES_MULTIPLE
        returns: (batch, sources, 2, BINS, frames, 2); their sum is the input
    """

    def __init__(self, sources: int, activation: str, masks: str) -> None:
        super().__init__()
        self._sources = sources
        self._elu = activation == "elu"
        self._softmax = masks == "softmax"
        for source in range(sources):
            self._add_u_net(source)

    def _add_u_net(self, source: int) -> None:
        """Create the layers of a U-Net. The normalisation of the deepest level is published but unused."""
        for level, (inputs, outputs) in enumerate(zip((2, *FILTERS), FILTERS, strict=False)):
            self._add(f"conv2d{number((LEVELS + 1) * source + level)}", Conv2D(inputs, outputs, 5, stride=2))
            self._add(
                f"batch_normalization{number(2 * LEVELS * source + level)}", BatchNormalization(outputs)
            )
        for level, outputs in enumerate((*FILTERS[-2::-1], 1)):
            inputs = FILTERS[-1] if level == 0 else 2 * FILTERS[-1 - level]
            self._add(f"conv2d_transpose{number(LEVELS * source + level)}", Conv2DTranspose(inputs, outputs))
            normalisation = 2 * LEVELS * source + LEVELS + level
            self._add(f"batch_normalization{number(normalisation)}", BatchNormalization(outputs))
        self._add(f"conv2d{number((LEVELS + 1) * source + LEVELS)}", Conv2D(1, 2, 4, dilation=2))

    def _add(self, name: str, layer: nn.Module) -> None:
        self.add_module(name, layer)

    def _layer(self, kind: str, index: int) -> nn.Module:
        return self.get_submodule(f"{kind}{number(index)}")

    def logits(self, magnitudes: Tensor, source: int) -> Tensor:
        """Run the U-Net of a source: (batch, 2, NETWORK_BINS, frames) -> the same shape."""
        convolution, normalisation = (LEVELS + 1) * source, 2 * LEVELS * source
        x, skipped = magnitudes, []
        for level in range(LEVELS):
            x = self._layer("conv2d", convolution + level)(x)
            skipped.append(x)
            if level < LEVELS - 1:
                x = self._layer("batch_normalization", normalisation + level)(x)
                x = functional.elu(x) if self._elu else functional.leaky_relu(x, 0.2)
        for level in range(LEVELS):
            if level:
                x = torch.cat([skipped[LEVELS - 1 - level], x], 1)
            x = self._layer("conv2d_transpose", LEVELS * source + level)(x)
            x = functional.elu(x) if self._elu else torch.relu(x)
            x = self._layer("batch_normalization", normalisation + LEVELS + level)(x)
        logits: Tensor = self._layer("conv2d", convolution + LEVELS)(x)
        return logits

    def masks(self, spectrum: Tensor) -> Tensor:
        """Compute masks, (batch, sources, 2, NETWORK_BINS, frames), that add up to one over the sources."""
        part = spectrum[:, :, :NETWORK_BINS]
        magnitudes = (part[..., 0].square() + part[..., 1].square()).sqrt() * SCALE
        logits = torch.stack([self.logits(magnitudes, source) for source in range(self._sources)], 1)
        shares = logits.softmax(1) if self._softmax else logits.sigmoid()
        powers: Tensor = (shares * magnitudes[:, None]).square()
        return (powers + EPSILON / self._sources) / (powers.sum(1, keepdim=True) + EPSILON)

    def forward(self, spectrum: Tensor) -> Tensor:
        return continued(self.masks(spectrum))[..., None] * spectrum[:, None]


def continued(masks: Tensor) -> Tensor:
    """Continue masks above 11 kHz: (..., NETWORK_BINS, frames) -> (..., BINS, frames)."""
    upper = masks[..., NETWORK_BINS - UPPER_BINS :, :].mean(-2, keepdim=True)
    return torch.cat([masks, upper.expand(*masks.shape[:-2], BINS - NETWORK_BINS, -1)], -2)
