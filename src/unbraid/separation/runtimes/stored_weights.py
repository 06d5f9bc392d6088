"""Weights that stay in their file, and are read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unbraid.errors import ModelError
from unbraid.models.graphs import TensorPlace


class StoredWeights:
    """The tensors of a file, which stays open. Thread-safe. Raises ModelError if it is too short."""

    def __init__(self, path: Path, places: Sequence[TensorPlace]) -> None:
        self._file = path.open("rb", buffering=0)
        if os.fstat(self._file.fileno()).st_size < max(place.offset + place.length for place in places):
            raise ModelError("is too short. Install the model again.", subject=str(path))
        self._places = {place.name: place for place in places}

    def read(self, name: str) -> np.ndarray:
        """Return a tensor, float16 or float32."""
        place = self._places[name]
        # A mapping of the file would count as memory of the process: 0.4 GB.
        content = os.pread(self._file.fileno(), place.length, place.offset)
        return np.frombuffer(content, "<f2" if place.float16 else "<f4").reshape(place.shape)
