"""Layers of band-split transformers computed by the native library. `unbraid.networks.roformer` has them in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ctypes import POINTER, Structure, c_char_p, c_int32, c_int64, c_uint64, c_void_p
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unbraid.native.library import UNSUPPORTED_SIZES, NativeLibrary, bind_functions, check_call
from unbraid.native.memory import aligned_bytes

Floats = NDArray[np.float32]


class BlockSizes(Structure):
    """RoformerSizes of `roformer.h`."""

    _fields_: ClassVar = [
        ("width", c_int32),
        ("heads", c_int32),
        ("head_width", c_int32),
        ("hidden", c_int32),
        ("norms", c_int32),
        ("items", c_int32),
        ("length", c_int32),
    ]


_SIZES = POINTER(BlockSizes)

# Result and argument types of the functions in roformer.h, without the instruction set in their names.
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "weights_bytes": (c_uint64, [_SIZES]),
    "workspace_bytes": (c_uint64, [_SIZES, c_int32]),
    "pack": (
        c_int32,
        [_SIZES, c_int32, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_int64), c_void_p, c_uint64],
    ),
    "run": (c_int32, [_SIZES, c_void_p, c_void_p, c_uint64, c_int32, *[c_void_p] * 4]),
}


class NativeBlock:
    """An attention and its hidden layer, for `items` sequences of `length` tokens."""

    def __init__(
        self, library: NativeLibrary, sizes: BlockSizes, tensors: Mapping[str, NDArray[Any]], rotation: Floats
    ) -> None:
        """Pack the weights.

        Args:
            library: the native library
            sizes: sizes of the block
            tensors: its weights, with the names, shapes and types of roformer.h
            rotation: cosines, then sines of each position, (length, head_width)

        Raises ValueError for sizes that the library doesn't support and tensors that don't fit them, and MemoryError.
        """
        self._functions = _functions(library)
        self._sizes = sizes
        if rotation.shape != (sizes.length, sizes.head_width):
            raise ValueError("the rotation doesn't fit the sizes of the block")
        self._rotation = np.ascontiguousarray(rotation, np.float32)
        needed = self._functions["weights_bytes"](sizes)
        if not needed:
            check_call(UNSUPPORTED_SIZES, "block")
        self._weights = aligned_bytes(needed)
        values = {name: np.ascontiguousarray(tensor, _type_of(tensor)) for name, tensor in tensors.items()}
        names = (c_char_p * len(values))(*[name.encode() for name in values])
        pointers = (c_void_p * len(values))(*[value.ctypes.data for value in values.values()])
        lengths = (c_int64 * len(values))(*[value.size for value in values.values()])
        check_call(
            self._functions["pack"](
                sizes, len(values), names, pointers, lengths, self._weights.ctypes.data, needed
            ),
            "block",
        )

    def workspace_bytes(self, threads: int) -> int:
        """Return the bytes of the workspace of a call with that many threads."""
        return self._functions["workspace_bytes"](self._sizes, threads)

    def run(
        self,
        tokens: Floats,
        out: Floats | None,
        workspace: NDArray[np.uint8],
        threads: int,
        active_threads: NDArray[np.int32],
    ) -> None:
        """Change tokens (items, length, width) in place, or write the result to `out` (length, items, width).

        With `out`, the tokens are undefined afterwards. The result does not depend on the number of threads, which all
        calls with the same `active_threads` share. Raises ValueError for other shapes, and for too small a workspace.
        """
        sizes = self._sizes
        _check_tokens(tokens, (sizes.items, sizes.length, sizes.width))
        if out is not None:
            _check_tokens(out, (sizes.length, sizes.items, sizes.width))
        check_call(
            self._functions["run"](
                sizes,
                self._weights.ctypes.data,
                workspace.ctypes.data,
                workspace.size,
                threads,
                active_threads.ctypes.data,
                self._rotation.ctypes.data,
                tokens.ctypes.data,
                None if out is None else out.ctypes.data,
            ),
            "block",
        )


def is_supported(library: NativeLibrary, sizes: BlockSizes) -> bool:
    """Whether the library can compute a block of these sizes."""
    return bool(_functions(library)["weights_bytes"](sizes))


def _functions(library: NativeLibrary) -> dict[str, Callable[..., int]]:
    return bind_functions(library.file, library.instructions, "roformer", _SIGNATURES)


def _check_tokens(tokens: Floats, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless tokens have the shape that the library reads or writes. It does not know it."""
    if tokens.shape != shape or tokens.dtype != np.float32 or not tokens.flags.c_contiguous:
        raise ValueError("the block is built for tokens of another shape")


def _type_of(tensor: NDArray[Any]) -> type[np.floating[Any]]:
    return np.float16 if tensor.ndim > 1 else np.float32
