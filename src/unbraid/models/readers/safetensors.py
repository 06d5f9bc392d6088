"""Read the header of a `.safetensors` file: names, shapes and places of its tensors, and its metadata.

The format (https://github.com/huggingface/safetensors): 8 bytes with the length of the header, the header in JSON, and
the tensors one after the other without gaps.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from fractions import Fraction
from io import FileIO
from typing import Any

import numpy as np

from unbraid.models.readers.pickle_names import QuantiserClass, resolve
from unbraid.models.readers.tensors import HALF, LONG, SINGLE, PackageError, StoredTensor, size_in_bytes

LONGEST_HEADER = 1 << 20  # bytes of JSON; the published files have 55,000
METADATA = "__metadata__"

DTYPES: dict[object, np.dtype[Any]] = {"F16": HALF, "F32": SINGLE, "I64": LONG}

DEEPEST = 5  # levels of the structure of quantised weights


def read_header(file: FileIO) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Return the tensors by name, and the metadata. Raises PackageError."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER or 8 + length > size:
        raise PackageError("it is damaged, truncated or not a safetensors file")
    header = parse(file.read(length))
    metadata = header.pop(METADATA, {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise PackageError("its header is invalid")
    tensors = {name: _tensor(entry, 8 + length) for name, entry in header.items()}
    end = 8 + length
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.offset, tensor.length)):
        if tensor.offset != end:
            raise PackageError("its tensors overlap or have gaps between them")
        end += tensor.length
    if end != size:
        raise PackageError("it is truncated, or longer than its header says")
    return tensors, metadata


def _tensor(entry: Any, start: int) -> StoredTensor:
    match entry:
        case {
            "dtype": str() as kind,
            "shape": list() as shape,
            "data_offsets": [int() as begin, int() as end],
        } if len(entry) == 3:
            if kind not in DTYPES:
                raise PackageError(
                    f"its numbers have an unsupported type ({kind!r:.20})", "Save it as float16."
                )
            tensor = StoredTensor(DTYPES[kind], tuple(shape), start + begin, end - begin)
            if size_in_bytes(tensor.dtype, tensor.shape) != tensor.length or begin < 0:
                raise PackageError("a tensor's shape doesn't fit its length")
            return tensor
    raise PackageError("its header is invalid")


def rebuild(node: Any, tensors: Mapping[str, StoredTensor], depth: int = DEEPEST) -> object:
    """Build a nested state from its description in the metadata, as `demucs` 4.1.0 does. Raises PackageError.

    A description is a plain value or {KIND: content} with one of the kinds `_tensor`, `_list`, `_tuple`, `_dict` (pairs
    of key and value) and `_class`.
    """
    match node:
        case None | bool() | int() | float() | str():
            return node
        case {"_tensor": str() as name} if name in tensors:
            return tensors[name]
        case {"_list": list() as items} if depth:
            return [rebuild(item, tensors, depth - 1) for item in items]
        case {"_tuple": list() as items} if depth:
            return tuple(rebuild(item, tensors, depth - 1) for item in items)
        case {"_dict": list() as pairs} if depth and all(
            isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
        ):
            return {key: rebuild(item, tensors, depth - 1) for key, item in pairs}
        case {"_class": str() as name}:
            known = resolve(" ".join(name.rsplit(".", 1)))
            if isinstance(known, QuantiserClass):
                return known
    raise PackageError("its header is invalid")


def parse(text: str | bytes) -> Any:
    """Parse JSON without duplicate names; {"_type": "fraction", …} becomes a Fraction. Raises PackageError."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    # RecursionError: deeply nested lists. ArithmeticError: a fraction with the denominator 0.
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise PackageError("its header is invalid") from error


def _object(pairs: list[tuple[str, Any]]) -> Any:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("duplicate name")
    if members.get("_type") == "fraction":
        # Integers only: Fraction also accepts texts such as 1e999999999, and computes them.
        match members:
            case {"numerator": int() as numerator, "denominator": int() as denominator}:
                return Fraction(numerator, denominator)
        raise ValueError("invalid fraction")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
