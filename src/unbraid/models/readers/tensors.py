"""Tensors in a file of published weights, read one at a time and checked as they are read."""

from __future__ import annotations

import math
import zlib
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.readers.crc32c import masked_crc32c

HALF = np.dtype("<f2")
SINGLE = np.dtype("<f4")
LONG = np.dtype("<i8")  # packed levels of quantised weights

MOST_DIMENSIONS = 8  # the networks use up to 4

GET_AGAIN = "Get it again from its publisher."


class PackageError(ValueError):
    """A file of weights is invalid or unsafe. `advice` says what to do, as a sentence."""

    def __init__(self, reason: str, advice: str = GET_AGAIN) -> None:
        super().__init__(reason)
        self.advice = advice

    def about(self, path: Path) -> ModelError:
        """Return the user's error for the file at `path`."""
        return ModelError(f"can't be used: {self}. {self.advice}", subject=str(path))


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that occupies `length` bytes of a file from `offset` on, in C order."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    length: int
    crc32: int | None = None
    """Checksum of the bytes, if the format has one."""
    masked_crc32c: int | None = None
    """The other kind of checksum; see `unbraid.models.readers.crc32c`."""


def size_in_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the size of a tensor in bytes. Raises PackageError for an invalid shape."""
    least = 0 if dtype == LONG else 1  # diffq packs equal numbers of bits into no bits
    if len(shape) > MOST_DIMENSIONS or any(type(size) is not int or size < least for size in shape):
        raise PackageError("a tensor has an invalid shape")
    return math.prod(shape) * dtype.itemsize


class Weights(Mapping[str, NDArray[np.floating[Any]]]):
    """Tensors by name, which are read from disk on access."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""


class State(Weights):
    """The tensors of a file by name, float16 or float32. Each access reads a tensor from disk.

    Access raises ModelError if the file has changed, if the checksum is wrong, or if a weight is infinite or NaN.
    """

    def __init__(self, path: Path, tensors: Mapping[str, StoredTensor]) -> None:
        self._path = path
        self._tensors = tensors

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        tensor = self._tensors[name]
        try:
            return read_tensor(self._path, tensor)
        except OSError as error:
            raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(self._path)) from error
        except PackageError as error:
            raise PackageError(f"{error} ({name!r:.80})", error.advice).about(self._path) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def only(self, names: Collection[str]) -> State:
        """Return the state with these tensors only."""
        return State(self._path, {name: tensor for name, tensor in self._tensors.items() if name in names})

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return self._tensors[name].shape


def read_tensor(path: Path, tensor: StoredTensor) -> NDArray[Any]:
    """Read a tensor. Raises PackageError for one that is damaged, infinite or NaN, and OSError."""
    with path.open("rb", buffering=0) as file:
        file.seek(tensor.offset)
        content = file.read(tensor.length)
    if len(content) < tensor.length:
        raise PackageError("it was truncated while it was read", "Try again.")
    if tensor.crc32 is not None and zlib.crc32(content) != tensor.crc32:
        raise PackageError("it is damaged: a checksum in it is wrong")
    if tensor.masked_crc32c is not None and masked_crc32c(content) != tensor.masked_crc32c:
        raise PackageError("it is damaged: a checksum in it is wrong")
    values = np.frombuffer(content, tensor.dtype).reshape(tensor.shape)
    if tensor.dtype == LONG:  # bits
        return values
    # An exponent of all ones means infinity or NaN (IEEE 754). Compare integers, because numpy's float16 is slow.
    exponents = values.view("<u2") & 0x7C00 if tensor.dtype == HALF else values.view("<u4") & 0x7F80_0000
    if exponents.max() == (0x7C00 if tensor.dtype == HALF else 0x7F80_0000):
        raise PackageError("a weight is infinite or NaN")
    return values
