"""Unpack weights that diffq quantised (Défossez, Adi and Synnaeve, "Differentiable Model Compression via Pseudo
Quantization Noise", arXiv 2104.09987), as in the published mdx_extra_q.

The file has its large tensors as levels of 1 to 14 bits, and the others as plain numbers. The tensors have no names:
they come in the order in which the network's class defines its parameters. A tensor with `min_size` MB or less is a
plain one. A level n of b bits means lowest + (highest - lowest) * n / (2^b - 1).

`DiffQuantizer` gives each group of numbers its own b: the file has the values of b, and for each b the levels of all
groups with it, one after the other. `UniformQuantizer` has one b for all tensors.

Integers are packed as bits: 2048 integers of b bits are b rows of 32 words of 64 bits. Bit j of word k in row i is bit
i of the integer number 32 j + k.

All sizes follow from the shapes of the tensors. They are checked before numbers are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.files.oserrors import read_cause
from unbraid.models.readers.tensors import LONG, SINGLE, PackageError, StoredTensor, Weights, read_tensor

GROUPED, UNIFORM = "DiffQuantizer", "UniformQuantizer"

WORDS, BITS = 32, 64
BLOCK = WORDS * BITS  # packed integers fill whole blocks; the last one ends with zeros
MOST_BITS = 14  # diffq writes no levels of more bits

DEFAULTS: dict[str, object] = {"min_size": 0.01, "float16": False, "exclude": []}
DEFAULTS_OF: dict[str, dict[str, object]] = {
    GROUPED: {**DEFAULTS, "group_size": 1, "min_bits": 2},
    UNIFORM: {**DEFAULTS, "bits": 8.0},
}

INVALID = "its quantised weights are invalid"
OTHER_NETWORK = "its quantised weights don't fit its network"


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of a tensor."""

    packed: tuple[StoredTensor | None, ...]
    """For 1 to 14 bits, the levels with that many bits; a single item of a UniformQuantizer."""
    lowest: float
    highest: float
    bits: StoredTensor | None
    """For each group, its number of bits minus `min_bits`; None for a UniformQuantizer."""


@dataclass(frozen=True, slots=True)
class QuantisedState:
    """The content of a file: tensors without names."""

    path: Path
    group_size: int
    """Numbers with the same number of bits; 0: all."""
    min_bits: int
    """Number of bits that a stored 0 means. For a UniformQuantizer, the number of bits of all levels."""
    most_plain: float
    """Numbers in the largest plain tensor."""
    levels: tuple[Levels, ...]
    plain: tuple[StoredTensor, ...]

    def named(self, shapes: Mapping[str, tuple[int, ...]]) -> QuantisedWeights:
        """Give the tensors names and shapes, which are in the order of the class's parameters.

        Raises PackageError unless all sizes fit.
        """
        levels, plain = iter(self.levels), iter(self.plain)
        tensors: dict[str, Levels | StoredTensor] = {}
        for name, shape in shapes.items():
            if math.prod(shape) > self.most_plain:
                tensors[name] = one = next(levels, None) or _raise(OTHER_NETWORK)
                self._check(one, shape)
            else:
                tensors[name] = two = next(plain, None) or _raise(OTHER_NETWORK)
                if two.shape != shape:
                    raise PackageError(OTHER_NETWORK)
        if next(levels, None) or next(plain, None):
            raise PackageError(OTHER_NETWORK)
        return QuantisedWeights(self, dict(shapes), tensors)

    def _check(self, levels: Levels, shape: tuple[int, ...]) -> None:
        """Raise PackageError unless the packed integers, whose values are unknown yet, may be those of the tensor."""
        count = math.prod(shape)
        if levels.bits is None:
            _check_packed(levels.packed[0], count, self.min_bits)
            return
        if count % self.group_size:
            raise PackageError(OTHER_NETWORK)
        most = (MOST_BITS - self.min_bits).bit_length()
        _check_packed(levels.bits, count // self.group_size, range(most + 1))
        for bits, packed in enumerate(levels.packed, 1):
            if packed is not None and packed.shape[1:] != (bits, WORDS):
                raise PackageError(INVALID)
        if sum(packed.shape[0] - 1 for packed in levels.packed if packed is not None) > count // BLOCK:
            raise PackageError(OTHER_NETWORK)


class QuantisedWeights(Weights):
    """The tensors of a quantised file by name, in float32. Each access reads and unpacks one tensor.

    Access raises ModelError if the file has changed or is damaged.
    """

    def __init__(
        self,
        state: QuantisedState,
        shapes: Mapping[str, tuple[int, ...]],
        tensors: Mapping[str, Levels | StoredTensor],
    ) -> None:
        self._state = state
        self._shapes = shapes
        self._tensors = tensors

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        tensor = self._tensors[name]
        try:
            if isinstance(tensor, StoredTensor):
                return read_tensor(self._state.path, tensor)
            return self._unpacked(tensor, math.prod(self._shapes[name])).reshape(self._shapes[name])
        except OSError as error:
            raise ModelError(f"can't be read: {read_cause(error)}.", subject=str(self._state.path)) from error
        except PackageError as error:
            raise PackageError(f"{error} ({name!r:.80})", error.advice).about(self._state.path) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return self._shapes[name]

    def _unpacked(self, levels: Levels, count: int) -> NDArray[np.float32]:
        state = self._state
        integers: NDArray[np.uint16]
        if levels.bits is None:
            assert levels.packed[0] is not None
            integers = self._read(levels.packed[0], count)
            return restore(integers, np.float32(state.min_bits), levels.lowest, levels.highest)
        groups = count // state.group_size
        bits = self._read(levels.bits, groups) + np.uint16(state.min_bits)
        integers = np.empty((groups, state.group_size), np.uint16)
        for number, packed in enumerate(levels.packed, 1):
            chosen = bits == number
            size = int(chosen.sum()) * state.group_size
            if (packed is None) != (size == 0):
                raise PackageError(INVALID)
            if packed is not None:
                _check_packed(packed, size, number)
                integers[chosen] = self._read(packed, size).reshape(-1, state.group_size)
        if not 1 <= bits.min() <= bits.max() <= MOST_BITS:
            raise PackageError(f"its levels of {bits.max()} bits are missing: diffq didn't save them")
        return restore(integers, bits.astype(np.float32)[:, None], levels.lowest, levels.highest)

    def _read(self, packed: StoredTensor, count: int) -> NDArray[np.uint16]:
        return unpack(read_tensor(self._state.path, packed).view(np.uint64), count)


def unpack(packed: NDArray[np.uint64], count: int) -> NDArray[np.uint16]:
    """Return the first `count` integers that are packed as bits: (blocks, bits, WORDS) -> (count,)."""
    blocks, rows, _ = packed.shape
    integers = np.zeros((blocks, BITS, WORDS), np.uint16)
    for row in range(rows):
        content = np.ascontiguousarray(packed[:, row]).astype("<u8").view(np.uint8)
        bits = np.unpackbits(content, bitorder="little").reshape(blocks, WORDS, BITS)
        integers |= bits.transpose(0, 2, 1).astype(np.uint16) << np.uint16(row)
    return integers.reshape(-1)[:count]


def restore(
    levels: NDArray[np.uint16], bits: NDArray[np.float32] | np.float32, lowest: float, highest: float
) -> NDArray[np.float32]:
    """Return the numbers for `levels`, with the roundings of diffq, which computes in float32."""
    unit = np.float32(1) / (np.float32(2) ** bits - np.float32(1))
    values: NDArray[np.float32] = levels.astype(np.float32) * unit
    with np.errstate(over="ignore", invalid="ignore"):
        values *= np.float32(highest - lowest)
        values += np.float32(lowest)
    if not np.isfinite(values).all():
        raise PackageError("a weight is infinite or NaN")
    return values


def quantised_state(
    path: Path, kind: str, settings: Mapping[str, Any], state: Mapping[str, Any]
) -> QuantisedState:
    """Read the state that diffq wrote, of which the tensors are StoredTensors.

    `kind`: its class. `settings`: the arguments of its constructor. Raises PackageError.
    """
    known: dict[str, Any] = {**DEFAULTS_OF[kind], **settings}
    min_size = known["min_size"]
    if not (_is_number(min_size) and 0 <= min_size < 1 << 20):
        raise PackageError(INVALID)
    if known["exclude"] not in ([], ()) or known["float16"] is not False or state.get("float16") != []:
        raise PackageError(
            "its weights are quantised with settings that published ones don't have", "Use another model."
        )
    group_size, bits = known.get("group_size", 0), known["bits" if kind == UNIFORM else "min_bits"]
    if not (_is_number(bits) and bits == int(bits) and 1 <= bits <= MOST_BITS):
        raise PackageError(INVALID)
    if kind == GROUPED and not (type(group_size) is int and 1 <= group_size <= BLOCK):
        raise PackageError(INVALID)
    match state:
        case {"quantized": list() as quantised, "others": list() as plain}:
            return QuantisedState(
                path,
                group_size,
                int(bits),
                min_size * 2**20 // 4,
                tuple(_levels(kind, item) for item in quantised),
                tuple(_plain(tensor) for tensor in plain),
            )
    raise PackageError(INVALID)


def _levels(kind: str, item: object) -> Levels:
    match item:
        case (StoredTensor() as packed, (float() as lowest, float() as highest)) if kind == UNIFORM:
            levels = Levels((packed,), lowest, highest, None)
        case (list() as several, (float() as lowest, float() as highest), StoredTensor() as bits) if (
            kind == GROUPED
            and len(several) == MOST_BITS
            and all(one is None or isinstance(one, StoredTensor) for one in several)
        ):
            levels = Levels(tuple(several), lowest, highest, bits)
        case _:
            raise PackageError(INVALID)
    if not math.isfinite(highest - lowest):
        raise PackageError(INVALID)
    for packed_levels in (*levels.packed, levels.bits):
        if packed_levels is not None and (packed_levels.dtype != LONG or len(packed_levels.shape) != 3):
            raise PackageError(INVALID)
    return levels


def _plain(tensor: object) -> StoredTensor:
    if not isinstance(tensor, StoredTensor) or tensor.dtype != SINGLE:
        raise PackageError(INVALID)
    return tensor


def _check_packed(packed: StoredTensor | None, count: int, bits: int | Sequence[int]) -> None:
    """Raise PackageError unless `count` integers of one of these numbers of bits fit exactly."""
    rows = [bits] if isinstance(bits, int) else bits
    if (
        packed is None
        or packed.shape[1] not in rows
        or packed.shape != (-(-count // BLOCK), packed.shape[1], WORDS)
    ):
        raise PackageError(OTHER_NETWORK)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _raise(reason: str) -> Any:
    raise PackageError(reason)
