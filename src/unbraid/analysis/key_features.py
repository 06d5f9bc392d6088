"""What the estimator of the key reads: the pitches of bass and harmony, and how they follow one another.

All features are relative to a tonic, and are computed for each of the twelve. So the estimator treats all keys alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ENDS = 10  # frames: the first and last 2 s, which often have the tonic
_SHORT, _LONG = 3, 5  # frames: 0.6 and 1 s
FEATURES = 6 * 12 + 3 * 144


def key_features(frames: Doubles) -> Doubles:
    """Return the features of a song for each tonic, (12, FEATURES).

    `frames` has the shares of the pitch classes from C on, (frames, 2, 12): bass and harmony, every 0.2 s of music.
    """
    vectors = [_shares(part.sum(axis=0)) for part in (frames, frames[:_ENDS], frames[-_ENDS:])]
    short, long = (_shares(_windows(frames, length)) for length in (_SHORT, _LONG))
    tables = [
        np.einsum("tb,th->bh", short[:, 0], short[:, 1]) / len(short),
        _moves(short[:, 0], (1, 2)),
        _moves(long[:, 0], (2, 3, 4)),
    ]
    turned = [
        np.concatenate(
            [np.roll(vector, -tonic, axis=-1).ravel() for vector in vectors]
            + [np.roll(table, (-tonic, -tonic), axis=(0, 1)).ravel() for table in tables]
        )
        for tonic in range(12)
    ]
    # The square root keeps one long note from deciding alone.
    return np.asarray(np.sqrt(turned))


def _moves(bass: Doubles, lags: Sequence[int]) -> Doubles:
    """Return how often each note of the bass follows each other one after `lags`, (12, 12). Repeats don't count."""
    clear = _shares(bass**2)
    total = np.zeros((12, 12))
    for lag in lags:
        total += np.einsum("ta,tb->ab", clear[:-lag], clear[lag:]) / len(clear)
    np.fill_diagonal(total, 0)
    return total


def _windows(frames: Doubles, length: int) -> Doubles:
    """Add up each `length` frames: (windows, 2, 12). A rest is left out."""
    windows = max(1, len(frames) // length)
    used = frames[: windows * length]
    return np.asarray(used.reshape(windows, -1, 2, 12).sum(axis=1))


def _shares(values: Doubles) -> Doubles:
    return np.asarray(values / (values.sum(axis=-1, keepdims=True) + 1e-9))
