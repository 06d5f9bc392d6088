"""What the estimator of the key reads: the pitches of bass and harmony, the chords, and how they follow one another.

All features are relative to a tonic, and are computed for each of the twelve. So the estimator treats all keys alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unbraid.analysis.chords import QUALITIES, Floats32

Doubles = NDArray[np.float64]

_ENDS = 10  # frames: the first and last 2 s, which often have the tonic
# Frames between two chords: 0.6 to 1 s and 1.6 to 2.3 s for all chords, 0.6 to 1.8 s for major and for minor ones.
_SOON, _LATER, _BETWEEN = (3, 5), (8, 11), (3, 6, 9)
FEATURES = (2 + 3 * len(QUALITIES)) * 12 + 4 * 144


def key_features(frames: Doubles, chords: Floats32) -> Doubles:
    """Return the features of a song for each tonic, (12, FEATURES).

    `frames` has the shares of the pitch classes from C on, (frames, 2, 12): bass and harmony, every 0.2 s of music.
    `chords` has the probabilities of the chords, as `read_chords` returns them.
    """
    pitches = frames.sum(axis=0)
    shares = [part.mean(axis=0).T for part in (chords, chords[:_ENDS], chords[-_ENDS:])]
    vectors = np.concatenate([pitches / (pitches.sum(axis=-1, keepdims=True) + 1e-9), *shares])
    roots = chords.sum(axis=2)
    major, minor = chords[:, :, 0] + chords[:, :, 1], chords[:, :, 2] + chords[:, :, 3]
    tables = [
        _moves(roots, roots, _SOON),
        _moves(roots, roots, _LATER),
        _moves(major, roots, _BETWEEN),
        _moves(minor, roots, _BETWEEN),
    ]
    turned = [
        np.concatenate(
            [np.roll(vectors, -tonic, axis=-1).ravel()]
            + [np.roll(table, (-tonic, -tonic), axis=(0, 1)).ravel() for table in tables]
        )
        for tonic in range(12)
    ]
    # The square root keeps one long chord from deciding alone.
    return np.asarray(np.sqrt(turned), np.float64)


def _moves(before: Floats32, after: Floats32, lags: Sequence[int]) -> Doubles:
    """Return how often each root follows each other one after `lags`, (12, 12). Repeats don't count."""
    total = np.zeros((12, 12))
    for lag in lags:
        total += before[:-lag].T @ after[lag:] / len(before)
    np.fill_diagonal(total, 0)
    return total
