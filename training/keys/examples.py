"""Plain scales and cadences: what any estimator of the key must know, and songs don't have alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.keys.notes import Example, Layer, hear
from training.songs.score import Note, chance

_SCALES = {False: (0, 2, 4, 5, 7, 9, 11, 12), True: (0, 2, 3, 5, 7, 8, 10, 12)}


def plain_examples(seed: int, count: int) -> Iterator[Example]:
    """Yield scales and cadences in random keys."""
    rng = np.random.default_rng([seed, 78])
    for index in range(count):
        minor, tonic = bool(index % 2), int(rng.integers(12))
        pitches = (_scale if index % 4 < 2 else _cadence)(rng, minor)
        step_s = float(rng.uniform(0.3, 1.5))
        repeats = int(np.ceil(float(rng.uniform(8, 20)) / (step_s * len(pitches))))
        low = 36 + tonic + 12 * int(rng.integers(3))
        notes = [
            Note(step_s * position, step_s * 0.95, float(low + pitch), 0.8)
            for position, chord in enumerate(pitches * repeats)
            for pitch in chord
        ]
        frames, times_s = hear(rng, [Layer(notes, 1.0)], step_s * len(pitches) * repeats)
        yield Example(frames, times_s, tonic, minor)


def _scale(rng: np.random.Generator, minor: bool) -> list[tuple[int, ...]]:
    up: list[tuple[int, ...]] = [(pitch,) for pitch in _SCALES[minor]]
    return up + up[-2:0:-1] if chance(rng, 0.5) else up


def _cadence(rng: np.random.Generator, minor: bool) -> list[tuple[int, ...]]:
    third = 3 if minor else 4
    major_dominant = minor and chance(rng, 0.5)
    first = [0, 5, 7, 0] if chance(rng, 0.7) else [0, 7, 0, 0]
    with_bass = chance(rng, 0.7)
    return [
        (
            *((root - 12,) if with_bass else ()),
            root,
            root + (4 if major_dominant and root == 7 else third),
            root + 7,
        )
        for root in first
    ]
