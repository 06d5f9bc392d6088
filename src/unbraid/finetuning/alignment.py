"""Compare the stems of a song with its mixture: which stem starts too early or too late, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats

RATE = 11_025  # Hz, of the sounds that are compared
LONGEST_S = 600  # of a song that is compared
LARGEST_LAG_S = 2.0
SMALLEST_LAG_S = 0.005  # shorter than the difference between two microphones
# Energy of the mixture that no stem has. A limiter on the mixture leaves 0.03 to 0.1.
ADDS_UP, MASTERED = 0.02, 0.2


@dataclass(frozen=True, slots=True)
class Misaligned:
    """How the stems differ from the mixture."""

    late_s: Mapping[str, float]
    """Stems that start too late (or too early: below 0), in seconds."""
    missing: float
    """Share of the mixture's energy that is in no stem, after the best common gain, 0 to 1."""


def compare(stems: Mapping[str, Floats], mixture: Floats) -> Misaligned | None:
    """Compare mono stems with the mono mixture, all at RATE, of any lengths. None if they fit.

    The lag of a stem is where its cross-correlation with the mixture is largest. A stem is only late if it fits the
    mixture far better there than in its place.
    """
    length = min(max(len(mixture), *map(len, stems.values())), LONGEST_S * RATE)
    whole = _padded(mixture, length)
    parts = {name: _padded(stem, length) for name, stem in stems.items()}
    missing = _missing(np.sum(list(parts.values()), axis=0), whole)
    if missing <= ADDS_UP:
        return None
    late: dict[str, float] = {}
    for name, part in parts.items():
        if (lag_s := _lag(part, whole)) is not None:
            late[name] = lag_s
    return Misaligned(late, missing) if late or missing > MASTERED else None


def _padded(sound: Floats, length: int) -> NDArray[np.float64]:
    sound = sound[:length]
    return np.pad(sound.astype(np.float64), (0, length - len(sound)))


def _missing(total: NDArray[np.float64], mixture: NDArray[np.float64]) -> float:
    energy, own = float(mixture @ mixture), float(total @ total)
    if energy <= 0:
        return 0.0 if own <= 0 else 1.0
    gain = float(mixture @ total) / own if own > 0 else 0.0
    rest = mixture - max(gain, 0.0) * total
    return float(rest @ rest) / energy


def _lag(stem: NDArray[np.float64], mixture: NDArray[np.float64]) -> float | None:
    """Return by how many seconds the stem starts too late; None if it fits in its place, or nowhere."""
    energy, reach = float(stem @ stem), int(LARGEST_LAG_S * RATE)
    if energy <= 1e-6 * float(mixture @ mixture):
        return None
    size = 1 << (len(stem) + reach).bit_length()
    product = np.fft.rfft(mixture, size).conj() * np.fft.rfft(stem, size)
    around = np.fft.irfft(product, size)
    lags = np.concatenate([around[-reach:], around[: reach + 1]]) / energy
    best = int(np.argmax(lags))
    lag_s = (best - reach) / RATE
    # In its place, a stem correlates with itself in the mixture: 1, as the other stems are unrelated.
    if abs(lag_s) < SMALLEST_LAG_S or lags[best] < 0.5 or lags[best] < 1.3 * lags[reach]:
        return None
    return lag_s
