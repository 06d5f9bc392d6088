"""What the parts of a song are written in: notes, drum hits, and the clock that turns bars into seconds."""

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
    """One stroke on a drum: `kind` is a name in `drum_kits.KINDS`, velocity in 0..1, `step` its place on the grid."""

    start_s: float
    kind: str
    velocity: float


@dataclass(frozen=True)
class Clock:
    """Turns a position counted in quarter notes into seconds.

    Swing delays the middle of each pair of `swing_unit` quarters (0.5: swung eighths, 0.25: swung sixteenths)
    to the fraction `swing` of the pair (0.5 is straight, 2/3 a triplet). `drift` bends the tempo slowly, as
    players without a click do: its values are relative tempo changes, one every four quarters.
    """

    tempo_bpm: float
    swing: float = 0.5
    swing_unit: float = 0.5
    drift: tuple[float, ...] = field(default=())

    def seconds(self, quarters: float) -> float:
        pair = 2.0 * self.swing_unit
        whole, inside = divmod(quarters + 1e-9, pair)
        fraction = inside / pair
        if fraction < 0.5:
            warped = fraction * 2.0 * self.swing
        else:
            warped = self.swing + (fraction - 0.5) * 2.0 * (1.0 - self.swing)
        place = (whole + warped) * pair
        steady = place * 60.0 / self.tempo_bpm
        if not self.drift:
            return steady
        # The drift is the derivative of the delay, so integrate it: 4 quarters a knot, linear in between.
        knots = np.concatenate([[0.0], np.cumsum(self.drift)]) * 4.0 * 60.0 / self.tempo_bpm
        return steady + float(np.interp(place / 4.0, np.arange(knots.size), knots))


def pick(rng: np.random.Generator, weights: Mapping[T, float] | Sequence[T]) -> T:
    """One of the keys with the probability of its weight; of a sequence, each alike."""
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
    """Frequency of a MIDI pitch, equal temperament at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def stereo(sound: Audio) -> Audio:
    """(samples,) or (1 or 2, samples) -> (2, samples)."""
    if sound.ndim == 1:
        return np.stack([sound, sound])
    return np.repeat(sound, 2, axis=0) if sound.shape[0] == 1 else sound
