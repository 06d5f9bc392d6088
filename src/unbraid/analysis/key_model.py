"""Two small networks of one hidden layer: one reads the chords, one rates the 24 keys.

They have learned from synthetic songs. `python -m training.keys` makes their weights. Profiles of pitches know only how
long each pitch sounds; chords and their order also tell the tonic of a song that dwells on another chord.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

WEIGHTS = Path(__file__).with_name("key_weights.npz")
ARRAYS = ("first", "offset", "second", "last")


@dataclass(frozen=True)
class Network:
    """Weights and offsets of the hidden layer and of the outputs."""

    first: Matrix
    offset: Matrix
    second: Matrix
    last: Matrix

    def __call__(self, inputs: NDArray[Any]) -> Matrix:
        """Return the outputs for inputs (..., features)."""
        hidden = np.maximum(inputs @ self.first + self.offset, 0)
        return np.asarray(hidden @ self.second + self.last)


@cache
def load_network(name: str) -> Network:
    """Return the network `chords` or `keys`."""
    with np.load(WEIGHTS) as file:
        return Network(*(file[f"{name}_{array}"].astype(np.float32) for array in ARRAYS))
