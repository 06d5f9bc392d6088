"""The chords of a song: a small network reads them from the pitches of bass and harmony.

It rates each root alike, so all keys are treated alike. Overtones and melodies blur the pitches of a single frame, and
a chord lasts a second or more. So the network also reads the second before and after the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unbraid.analysis.key_model import load_network

Floats32 = NDArray[np.float32]
Doubles = NDArray[np.float64]

QUALITIES = ("major", "dominant seventh", "minor", "diminished", "no third")
"""Kinds of chords. A dominant seventh is a major chord with a minor seventh."""
_SPANS = ((0, 1), (-1, 2), (-4, 0), (1, 5))  # frames around each frame: itself, 0.6 s, 0.8 s before and after
INPUTS = len(_SPANS) * 24
"""Numbers that the network reads for each root."""
_BLOCK = 500  # frames at a time: 2 MB

ROOTS = np.stack([(np.arange(INPUTS) // 12 * 12) + (np.arange(INPUTS) + root) % 12 for root in range(12)])
"""Indices that turn the inputs of a frame to each root, (12, INPUTS)."""


def chord_inputs(frames: Doubles) -> Floats32:
    """Return what the network reads of each frame, from C on, (frames, INPUTS). `frames`: see `key_features`."""
    added = np.concatenate([np.zeros((1, 2, 12)), np.cumsum(frames, axis=0, dtype=np.float64)])
    count, index = len(frames), np.arange(len(frames))
    sums = [
        added[np.clip(index + stop, 0, count)] - added[np.clip(index + start, 0, count)]
        for start, stop in _SPANS
    ]
    parts = np.maximum(np.stack(sums, axis=1), 0)
    # The square root keeps one loud note from deciding alone.
    shares = np.sqrt(parts / (parts.sum(axis=-1, keepdims=True) + 1e-9))
    return np.asarray(shares.reshape(count, INPUTS), np.float32)


def read_chords(frames: Doubles) -> Floats32:
    """Return the probability of each chord in each frame, (frames, 12, QUALITIES): roots from C on."""
    inputs, network = chord_inputs(frames), load_network("chords")
    rated = [
        network(inputs[start : start + _BLOCK, ROOTS]).reshape(-1, 12 * len(QUALITIES))
        for start in range(0, len(inputs), _BLOCK)
    ]
    rating = np.concatenate(rated)
    shares = np.exp(rating - rating.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares.reshape(-1, 12, len(QUALITIES)), np.float32)
