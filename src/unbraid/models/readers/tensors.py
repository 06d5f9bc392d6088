"""Tensors where they lie in a file of published weights: found first, read one at a time, checked as they are read."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError

HALF = np.dtype("<f2")
SINGLE = np.dtype("<f4")

MOST_DIMENSIONS = 8  # the networks use up to 4

GET_AGAIN = "get it again from where it was published"


class PackageError(ValueError):
    """A file of weights makes no sense or asks for what it must not; `advice` is what its user can do."""

    def __init__(self, reason: str, advice: str = GET_AGAIN) -> None:
        super().__init__(reason)
        self.advice = advice

    def told(self, path: Path) -> ModelError:
        """The error for the user, who has the file at `path`."""
        return ModelError(f"{path} can't be used: {self}; {self.advice}")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that fills `length` bytes of a file from `offset` on, in C order."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    length: int
    crc32: int | None = None
    """Of the bytes, where the format keeps one."""


def size_in_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Bytes of a tensor. Raises PackageError for a shape that no weights have."""
    if len(shape) > MOST_DIMENSIONS or any(type(size) is not int or size < 1 for size in shape):
        raise PackageError("a tensor in it has an absurd shape")
    return math.prod(shape) * dtype.itemsize


class State(Mapping[str, NDArray[np.floating[Any]]]):
    """The tensors of a file by name, float16 or float32, each read when it is asked for and not kept.

    Reading one raises ModelError when the file changed meanwhile, when its checksum is wrong, or when a weight is
    infinite or not a number.
    """

    def __init__(self, path: Path, tensors: Mapping[str, StoredTensor]) -> None:
        self._path = path
        self._tensors = tensors

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        tensor = self._tensors[name]
        try:
            return _read(self._path, tensor)
        except OSError as error:
            raise ModelError(f"{self._path} can't be read: {error.strerror or error}") from error
        except PackageError as error:
            raise PackageError(f"{error} ({name!r:.80})", error.advice).told(self._path) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one tensor, without reading it."""
        return self._tensors[name].shape


def _read(path: Path, tensor: StoredTensor) -> NDArray[np.floating[Any]]:
    with path.open("rb", buffering=0) as file:
        file.seek(tensor.offset)
        content = file.read(tensor.length)
    if len(content) < tensor.length:
        raise PackageError("it was cut short while it was read", "try again")
    if tensor.crc32 is not None and zlib.crc32(content) != tensor.crc32:
        raise PackageError("it is damaged: a checksum in it is wrong")
    values = np.frombuffer(content, tensor.dtype).reshape(tensor.shape)
    # Exponents of all ones stand for infinity and for what is not a number (IEEE 754): looked for as integers, as
    # numpy has float16 done one by one.
    exponents = values.view("<u2") & 0x7C00 if tensor.dtype == HALF else values.view("<u4") & 0x7F80_0000
    if exponents.max() == (0x7C00 if tensor.dtype == HALF else 0x7F80_0000):
        raise PackageError("a weight in it is infinite or not a number")
    return values
