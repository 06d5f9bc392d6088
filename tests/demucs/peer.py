"""A small model for both programs: `demucs` and Unbraid."""

from __future__ import annotations

from fractions import Fraction

import torch
from tests.separation.known_models import GAINS, SEGMENT, SOURCES


class Loudness(torch.nn.Module):
    """`loudness_model` in PyTorch: the mixture times its mean magnitude, with a gain for each stem."""

    sources, samplerate, audio_channels = list(SOURCES), 44100, 2
    segment = Fraction(SEGMENT, 44100)

    def __init__(self) -> None:
        super().__init__()
        self.gains = torch.nn.Parameter(torch.tensor(GAINS))  # bags look for the device of a parameter

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        level = mixture.abs().mean(dim=(1, 2), keepdim=True)
        return (mixture * level)[:, None] * self.gains.view(1, -1, 1, 1)
