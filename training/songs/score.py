"""Notes, drum hits, the clock that converts beats to seconds, and small helpers for all parts of a song."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from training.sound import Audio

T = TypeVar("T")


@dataclass(frozen=True)
class Note:
    """One note: start and length in seconds, pitch as a MIDI number (60 = middle C), velocity in 0..1."""

    start_s: float
    duration_s: float
    pitch: float
    velocity: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass(frozen=True)
class Hit:
    """A drum stroke: `kind` is a key of `drum_kits.KINDS`, velocity is in 0..1."""

    start_s: float
    kind: str
    velocity: float


@dataclass(frozen=True)
class Clock:
    """Converts positions in quarter notes to seconds.

    Swing delays the middle of each pair of units to the fraction `swing` of the pair: 0.5 is straight, 2/3 a triplet.
    `swing_unit` is in quarter notes: 0.5 for swung eighths, 0.25 for swung sixteenths. `drift` changes the tempo
    slowly, like players without a click track: relative tempo changes, one per four quarters.
    """

    tempo_bpm: float
    swing: float = 0.5
    swing_unit: float = 0.5
    drift: tuple[float, ...] = field(default=())

    def seconds(self, quarters: float) -> float:
        pair = 2.0 * self.swing_unit
        pairs, remainder = divmod(quarters + 1e-9, pair)
        fraction = remainder / pair
        if fraction < 0.5:
            warped = fraction * 2.0 * self.swing
        else:
            warped = self.swing + (fraction - 0.5) * 2.0 * (1.0 - self.swing)
        position = (pairs + warped) * pair
        steady = position * 60.0 / self.tempo_bpm
        if not self.drift:
            return steady
        # Integrate the drift to get the delay: one knot per 4 quarters, linear in between.
        knots = np.concatenate([[0.0], np.cumsum(self.drift)]) * 4.0 * 60.0 / self.tempo_bpm
        return steady + float(np.interp(position / 4.0, np.arange(knots.size), knots))


def pick(rng: np.random.Generator, weights: Mapping[T, float] | Sequence[T]) -> T:
    """Draw a key of a mapping by its weight, or an element of a sequence with equal probability."""
    if isinstance(weights, Mapping):
        keys = list(weights)
        share = np.array([weights[key] for key in keys], dtype=np.float64)
        return keys[int(rng.choice(len(keys), p=share / share.sum()))]
    return weights[int(rng.integers(len(weights)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def gain(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


def hertz(pitch: float) -> float:
    """Convert a MIDI pitch to Hz, in equal temperament with A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def stereo(sound: Audio) -> Audio:
    """Convert (samples,) or (1 or 2, samples) to (2, samples)."""
    if sound.ndim == 1:
        return np.stack([sound, sound])
    return np.repeat(sound, 2, axis=0) if sound.shape[0] == 1 else sound
