"""A small network that rates the 24 keys: one hidden layer, the same for every tonic.

It has learned from synthetic songs which chords, moves of the bass, beginnings and ends go with a tonic. Profiles of
pitches know only how long each pitch sounds. `python -m training.keys` makes its weights.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from unbraid.analysis.key_features import Doubles, key_features

WEIGHTS = Path(__file__).with_name("key_weights.npz")


def rate_keys(frames: Doubles) -> Doubles:
    """Return a rating of each key, (2, 12): major and minor, tonics from C on. The highest one fits best.

    `frames`: see `key_features`.
    """
    first, offset, second, last = _weights()
    hidden = np.maximum(key_features(frames) @ first + offset, 0)
    return np.asarray((hidden @ second + last).T)


@cache
def _weights() -> tuple[Doubles, ...]:
    with np.load(WEIGHTS) as file:
        return tuple(file[name].astype(np.float64) for name in ("first", "offset", "second", "last"))
