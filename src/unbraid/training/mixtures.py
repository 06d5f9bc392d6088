"""Training targets: mixtures of the stems of a batch, with the pooled spectra that the losses need.

Reading, augmenting and transforming stems takes longer than a training step. Therefore each batch of stems gives
several batches of mixtures, with the sources permuted between the items, with random gains and swapped channels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unbraid.training.families import LITE, Family
from unbraid.training.stft import spectra

GAIN_DB = 3.0  # standard deviation of the level of each source


@dataclass(frozen=True)
class Remix:
    """Item, gain and channel swap of each stem of each mixture: lists of (batch, sources)."""

    items: list[list[int]]
    gains: list[list[float]]
    swapped: list[list[bool]]

    @classmethod
    def identity(cls, batch: int, sources: int) -> "Remix":
        """Leave every item unchanged."""
        return cls(
            [[item] * sources for item in range(batch)],
            [[1.0] * sources] * batch,
            [[False] * sources] * batch,
        )

    @classmethod
    def random(cls, backed: NDArray[np.bool_], sources: int, rng: np.random.Generator) -> "Remix":
        """Draw a remix that uses every stem once.

        Voices, the last source, are permuted between all items; other stems only between items without a backing.
        Backings stay in their items.
        """
        shape = (len(backed), sources)
        items = np.tile(np.arange(len(backed))[:, None], (1, sources))
        songs = np.nonzero(~backed)[0]
        for source in range(sources - 1):
            items[songs, source] = rng.permutation(songs)
        items[:, -1] = rng.permutation(len(backed))
        return cls(
            items.tolist(),
            (10 ** (rng.normal(0, GAIN_DB, shape) / 20)).tolist(),
            (rng.random(shape) < 0.5).tolist(),
        )


@dataclass(frozen=True)
class Target:
    """Mixtures and their stems, pooled where the losses need only sums.

    For a real mask m that is constant in a pooled bin, the energy of the error in the bin is
        sum |m X - S|^2 = m^2 sum |X|^2 - 2 m sum Re(X* S) + sum |S|^2.
    Three sums per pooled bin replace the full spectrograms: the same loss with a fifth of the memory.
    """

    spectrum: Tensor
    """Input of the network: (batch, 2, BINS, frames, 2), real and imaginary parts last."""
    mixture_power: Tensor
    """(batch, 1, 2, POOLED, frames)"""
    cross: Tensor
    """(batch, sources, 2, POOLED, frames)"""
    power: Tensor
    """(batch, sources, 2, POOLED, frames)"""
    stems: Tensor
    """(batch, sources, 2, samples)"""
    known: Tensor
    """(batch, sources), 1 or 0: unknown stems don't count in the losses."""
    family: Family

    @property
    def mixture(self) -> Tensor:
        """Complex (batch, 2, BINS, frames)."""
        return torch.view_as_complex(self.spectrum)


class Stems:
    """Stems of a batch (batch, sources, 2, samples) with their spectra. In `backed` items only the voice is known."""

    def __init__(self, audio: Tensor, backed: NDArray[np.bool_] | None = None, family: Family = LITE) -> None:
        self.audio, self.family = audio, family
        pool = family.pool
        self.backed = np.zeros(len(audio), bool) if backed is None else backed
        spectrum = spectra(audio)
        # Separate contiguous arrays are ten times as fast as interleaved ones.
        self.real, self.imag = spectrum.real.contiguous(), spectrum.imag.contiguous()
        self.power = pool(self.real.square().addcmul_(self.imag, self.imag))

    def mix(self, remix: Remix | None = None) -> Target:
        """Mix a batch, item by item, so that the arrays of an item stay in the CPU cache."""
        batch, sources = self.audio.shape[:2]
        remix = remix or Remix.identity(batch, sources)
        pool = self.family.pool
        spectrum, mixture_power, cross, power, audio = [], [], [], [], []
        for items, gains, swapped in zip(remix.items, remix.gains, remix.swapped, strict=True):
            picks = list(zip(items, range(sources), swapped, strict=True))
            real = [_stem(self.real, *pick) for pick in picks]
            imag = [_stem(self.imag, *pick) for pick in picks]
            mixture_real, mixture_imag = _weighted(real, gains), _weighted(imag, gains)
            spectrum.append(torch.stack([mixture_real, mixture_imag], -1))
            mixture_power.append(pool(mixture_real.square().addcmul_(mixture_imag, mixture_imag)))
            cross.append(
                torch.stack(
                    [
                        pool((r * mixture_real).addcmul_(i, mixture_imag)).mul_(gain)
                        for r, i, gain in zip(real, imag, gains, strict=True)
                    ]
                )
            )
            power.append(_scaled(self.power, picks, [gain**2 for gain in gains]))
            audio.append(_scaled(self.audio, picks, gains))
        return Target(
            torch.stack(spectrum),
            torch.stack(mixture_power)[:, None],
            torch.stack(cross),
            torch.stack(power),
            torch.stack(audio),
            self._known(),
            self.family,
        )

    def _known(self) -> Tensor:
        known = np.ones(self.audio.shape[:2], np.float32)
        known[self.backed, :-1] = 0
        return torch.from_numpy(known).to(self.audio.device)


def remixed(audio: Tensor, remix: Remix) -> Tensor:
    """Return the stems of each mixture, (batch, sources, 2, samples). Their sum is the mixture."""
    items = zip(remix.items, remix.gains, remix.swapped, strict=True)
    return torch.stack(
        [
            _scaled(audio, list(zip(picked, range(len(picked)), swapped, strict=True)), gains)
            for picked, gains, swapped in items
        ]
    )


def _stem(values: Tensor, item: int, source: int, swapped: bool) -> Tensor:
    """Return one stem (2, ...), with left and right exchanged if `swapped`."""
    return values[item, source].flip(0) if swapped else values[item, source]


def _scaled(values: Tensor, picks: list[tuple[int, int, bool]], factors: list[float]) -> Tensor:
    return torch.stack([_stem(values, *pick) * factor for pick, factor in zip(picks, factors, strict=True)])


def _weighted(parts: list[Tensor], gains: list[float]) -> Tensor:
    total = parts[0] * gains[0]
    for part, gain in zip(parts[1:], gains[1:], strict=True):
        total.add_(part, alpha=gain)
    return total
