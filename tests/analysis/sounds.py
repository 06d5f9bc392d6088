"""Rhythms, chords and noise whose tempo and key are known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unbraid.audio.arrays import Floats

RATE_HZ = 22_050


def clicks(bpm: float, seconds: float, rate: int = RATE_HZ) -> Floats:
    """Short bursts of noise on every beat, the first at 0 s, (2, samples)."""
    rng = np.random.default_rng(1)
    sound = np.zeros(round(seconds * rate) + rate, np.float32)
    burst = rng.standard_normal(rate // 20) * np.exp(-np.arange(rate // 20) / (0.01 * rate))
    for time in np.arange(0, seconds, 60 / bpm):
        start = round(time * rate)
        sound[start : start + len(burst)] += 0.3 * burst.astype(np.float32)
    return np.stack([sound, sound])[:, : round(seconds * rate)]


def noise(seconds: float) -> Floats:
    rng = np.random.default_rng(2)
    return rng.normal(0, 0.1, (2, round(seconds * RATE_HZ))).astype(np.float32)


def chords(progression: Iterable[tuple[int, ...]], chord_s: float = 1.0, tuning_hz: float = 440.0) -> Floats:
    """Chords of tones with overtones; `progression` has MIDI numbers, (2, samples)."""
    time = np.arange(round(chord_s * RATE_HZ)) / RATE_HZ
    fade = np.minimum(1, np.minimum(time, chord_s - time) / 0.02)
    parts = []
    for notes in progression:
        frequencies = [tuning_hz * 2 ** ((note - 69) / 12) for note in notes]
        tones = [
            np.sin(2 * np.pi * overtone * frequency * time) / overtone**1.5
            for frequency in frequencies
            for overtone in range(1, 6)
        ]
        parts.append(0.1 * fade * np.sum(tones, axis=0))
    sound = np.concatenate(parts).astype(np.float32)
    return np.stack([sound, sound])
