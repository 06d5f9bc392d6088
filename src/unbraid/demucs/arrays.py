"""Convert between tensors of PyTorch and NumPy arrays. PyTorch is optional."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats
from unbraid.errors import SettingError

if TYPE_CHECKING:
    from torch import Tensor

Sound: TypeAlias = "NDArray[Any] | Tensor"
"""Samples (channels, n), full scale 1."""


class Samples(np.ndarray[Any, Any]):
    """An array with those methods of a tensor that scripts call to get an array.

    It replaces tensors if PyTorch isn't installed: `separated["vocals"].cpu().numpy()` works with both.
    """

    def cpu(self) -> Self:
        """Return the array itself."""
        return self

    def detach(self) -> Self:
        """Return the array itself."""
        return self

    def clone(self) -> Self:
        """Return a copy."""
        return self.copy()

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.ndim

    def numpy(self) -> Floats:
        """Return the same memory as a plain array."""
        return self.view(np.ndarray)


def to_array(sound: Sound) -> NDArray[Any]:
    """Return the samples of a tensor, on any device, or of an array. Raises SettingError for integers.

    demucs takes their values as samples with full scale 1, and `unbraid.Separator` with that of their type.
    """
    if _is_tensor(sound):
        sound = sound.detach().cpu().numpy()
    array = np.asarray(sound)
    if array.dtype.kind != "f":
        raise SettingError(f"An array must be float (1 or 2 channels, samples), not {array.dtype}.")
    return array


def as_result(array: Floats) -> Sound:
    """Return `array` as a tensor if PyTorch is installed, and as Samples otherwise."""
    try:
        import torch
    except (ImportError, OSError):  # not installed, or its libraries don't load
        return array.view(Samples)
    return torch.from_numpy(array)


def converter_like(sound: Sound) -> Callable[[Floats], Sound]:
    """Return a function that converts an array to the kind of `sound`: a tensor on the same device, or Samples."""
    if not _is_tensor(sound):
        return lambda array: array.view(Samples)
    import torch

    return lambda array: torch.from_numpy(array).to(sound.device)


def _is_tensor(sound: Any) -> TypeGuard[Tensor]:
    # Without the import there are no tensors, and importing PyTorch takes seconds.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(sound, torch.Tensor)
