"""A song in memory: a NumPy array of any type and layout, or an object of another library that gives one.

Other libraries are never imported. Their tensors are read by the array protocol (`__array__`) or by DLPack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.errors import SettingError, SongWarning
from unbraid.separation.numbers import sample_rate_hz

# Samples in a block of an in-memory song (1.5 s at 44.1 kHz).
ARRAY_BLOCK = 65536


class SupportsArray(Protocol):
    """An object with the array protocol of NumPy, such as a PyTorch tensor."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the samples as a NumPy array."""
        ...


class SupportsDLPack(Protocol):
    """An object with the DLPack protocol of the array API standard."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the samples as a DLPack capsule."""
        ...


Samples = NDArray[Any] | SupportsArray | SupportsDLPack
"""Samples in memory: (1 or 2 channels, n), or (n,) for mono."""


def is_array(song: object) -> bool:
    """Whether `song` holds samples."""
    return hasattr(song, "__array__") or hasattr(song, "__dlpack__")


def to_numpy(samples: Any) -> NDArray[Any]:
    """Return `samples` as an array, without a copy where possible. Raises SettingError if that is impossible."""
    try:
        return np.asarray(samples) if hasattr(samples, "__array__") else np.from_dlpack(samples)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        # Such as a tensor on a graphics card, or one that needs gradients. The library says what to do.
        raise SettingError(f"The array can't be read: {error}") from error


class ArraySong:
    """Samples (channels, n), or (n,) for mono.

    Floats have full scale 1. Integers have the full scale of their type, such as 32768 for int16; uint8 has its zero at
    128, as in WAV. Raises SettingError for other types and shapes.
    """

    name = "the array"

    def __init__(self, samples: Samples, sample_rate: int) -> None:
        array = np.atleast_2d(to_numpy(samples))
        if array.dtype.kind not in "fi" and array.dtype != np.uint8:
            raise SettingError(
                f"The samples must be floats, signed integers or uint8, not {array.dtype}. Convert them to float32."
            )
        if array.ndim != 2 or array.shape[0] not in (1, 2):
            turned = array.ndim == 2 and array.shape[1] in (1, 2)
            advice = " Transpose it: samples.T." if turned else ""
            shape = "x".join(map(str, array.shape))
            raise SettingError(f"An array must be (1 or 2 channels, samples), not {shape}.{advice}")
        self.sample_rate = sample_rate_hz(sample_rate)
        self.channels, self.claimed_samples = array.shape
        self.warnings: list[SongWarning] = []
        self._samples = array

    def blocks(self) -> Iterator[Floats]:
        """See `Song.blocks`; NaN, infinity, and numbers too large for float32 become silence, as in files."""
        silenced = 0
        for start in range(0, self._samples.shape[1], ARRAY_BLOCK):
            block = _floats(self._samples[:, start : start + ARRAY_BLOCK])
            silenced += block.size - int(np.count_nonzero(np.isfinite(block)))
            yield np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        reason = f"has {silenced} samples that are not numbers (NaN); they became silence."
        self.warnings = [SongWarning(self.name, reason)] if silenced else []


def _floats(block: NDArray[Any]) -> Floats:
    """Return a copy as float32 with full scale 1."""
    with np.errstate(over="ignore"):
        if block.dtype.kind == "f":
            return block.astype(np.float32)
        zero, full_scale = (128, 128) if block.dtype.kind == "u" else (0, 2 ** (8 * block.dtype.itemsize - 1))
        floats: Floats = ((block.astype(np.float64) - zero) / full_scale).astype(np.float32)
        return floats
