"""What the network learns from: mixtures of a batch's stems, with all that the losses need of them.

Reading, varying and transforming stems costs more than a step of training, so that several mixtures are made of
the same stems: each source from another item, with another gain, some channels swapped.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unbraid.networks.lite import pool
from unbraid.training.stft import spectra

GAIN_DB = 3.0  # deviation of each source's level


@dataclass(frozen=True)
class Remix:
    """Which stems go into each mixture; lists of (batch, sources)."""

    items: list[list[int]]
    gains: list[list[float]]
    swapped: list[list[bool]]

    @classmethod
    def none(cls, batch: int, sources: int) -> "Remix":
        """Every item as it is."""
        return cls(
            [[item] * sources for item in range(batch)],
            [[1.0] * sources] * batch,
            [[False] * sources] * batch,
        )

    @classmethod
    def drawn(cls, whole: NDArray[np.bool_], sources: int, rng: np.random.Generator) -> "Remix":
        """Every stem is in one mixture. Voices, which come last, change places among all items; other stems stay
        among those of songs, and backings (`whole`) are moved to no other item."""
        shape = (len(whole), sources)
        items = np.tile(np.arange(len(whole))[:, None], (1, sources))
        songs = np.nonzero(~whole)[0]
        for source in range(sources - 1):
            items[songs, source] = rng.permutation(songs)
        items[:, -1] = rng.permutation(len(whole))
        return cls(
            items.tolist(),
            (10 ** (rng.normal(0, GAIN_DB, shape) / 20)).tolist(),
            (rng.random(shape) < 0.5).tolist(),
        )


@dataclass(frozen=True)
class Target:
    """Mixtures, and what to find in them; pooled, where the losses need no more.

    For a real mask m that is constant over a pooled bin, the energy of the error there is
        sum |m X - S|^2 = m^2 sum |X|^2 - 2 m sum Re(X* S) + sum |S|^2,
    so three sums per pooled bin replace the full spectrograms: the same loss for a fifth of the memory.
    """

    spectrum: Tensor
    """What the network sees: (batch, 2, BINS, frames, 2)."""
    mixture_power: Tensor
    """(batch, 1, 2, POOLED, frames)"""
    cross: Tensor
    """(batch, sources, 2, POOLED, frames)"""
    power: Tensor
    """(batch, sources, 2, POOLED, frames)"""
    stems: Tensor
    """(batch, sources, 2, samples)"""
    known: Tensor
    """(batch, sources), 1 or 0: what stands in for a stem that isn't known is no part of the losses."""

    @property
    def mixture(self) -> Tensor:
        """Complex (batch, 2, BINS, frames)."""
        return torch.view_as_complex(self.spectrum)


class Stems:
    """A batch's stems (batch, sources, 2, samples), transformed once; of the items `whole` only the voice is known."""

    def __init__(self, audio: Tensor, whole: NDArray[np.bool_] | None = None) -> None:
        self.audio = audio
        self.whole = np.zeros(len(audio), bool) if whole is None else whole
        spectrum = spectra(audio)
        # Apart and contiguous: ten times as fast to work on as interleaved.
        self.real, self.imag = spectrum.real.contiguous(), spectrum.imag.contiguous()
        self.power = pool(self.real.square().addcmul_(self.imag, self.imag))

    def mix(self, remix: Remix | None = None) -> Target:
        """One batch of mixtures, item by item, so that what is worked on stays in the processor's cache."""
        batch, sources = self.audio.shape[:2]
        remix = remix or Remix.none(batch, sources)
        spectrum, mixture_power, cross, power, audio = [], [], [], [], []
        for items, gains, swapped in zip(remix.items, remix.gains, remix.swapped, strict=True):
            picks = list(zip(items, range(sources), swapped, strict=True))
            real = [_side(self.real, *pick) for pick in picks]
            imag = [_side(self.imag, *pick) for pick in picks]
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
        )

    def _known(self) -> Tensor:
        known = np.ones(self.audio.shape[:2], np.float32)
        known[self.whole, :-1] = 0
        return torch.from_numpy(known).to(self.audio.device)


def _side(values: Tensor, item: int, source: int, swapped: bool) -> Tensor:
    """(2, ...) of one stem, left and right changed over where `swapped`."""
    return values[item, source].flip(0) if swapped else values[item, source]


def _scaled(values: Tensor, picks: list[tuple[int, int, bool]], factors: list[float]) -> Tensor:
    return torch.stack([_side(values, *pick) * factor for pick, factor in zip(picks, factors, strict=True)])


def _weighted(parts: list[Tensor], gains: list[float]) -> Tensor:
    total = parts[0] * gains[0]
    for part, gain in zip(parts[1:], gains[1:], strict=True):
        total.add_(part, alpha=gain)
    return total
