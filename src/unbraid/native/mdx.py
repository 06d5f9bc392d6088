"""MDX-Net computed by the native library, in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unbraid.native.library import UNSUPPORTED_SIZES, NativeLibrary, bind_functions, check_call
from unbraid.native.memory import aligned_bytes

Floats = NDArray[np.float32]


class MdxSizes(Structure):
    """MdxSizes of `mdx.h`."""

    _fields_: ClassVar = [
        ("bins", c_int32),
        ("frames", c_int32),
        ("all_bins", c_int32),
        ("first_bin", c_int32),
        ("growth", c_int32),
        ("levels", c_int32),
        ("convolutions", c_int32),
        ("narrow", c_int32),
    ]


# Stages of a call, in the order of mdx.h.
STAGES = ("reading", "convolutions", "products over bins", "resampling", "writing")

_SIZES = POINTER(MdxSizes)

# Result and argument types of the functions in mdx.h, without the instruction set in their names.
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "weights_bytes": (c_uint64, [_SIZES]),
    "workspace_bytes": (c_uint64, [_SIZES, c_int32]),
    "pack": (c_int32, [_SIZES, c_int32, POINTER(c_void_p), POINTER(c_int64), c_void_p, c_uint64]),
    "run": (c_int32, [_SIZES, c_void_p, c_void_p, c_uint64, c_int32, *[c_void_p] * 4]),
}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory of one call, for activations and the result."""

    memory: NDArray[np.uint8]
    spectra: Floats
    """(2, all_bins, frames, 2): channels, bins, frames, real and imaginary parts"""


class NativeMdx:
    """One network for segments of one length. Each concurrent call needs its own workspace."""

    def __init__(
        self, library: NativeLibrary, sizes: MdxSizes, tensors: Sequence[Floats], *, threads: int = 1
    ) -> None:
        """Pack the weights.

        Args:
            library: the native library
            sizes: sizes of the network
            tensors: its weights, in the order of mdx.h
            threads: threads for all concurrent calls together; with more calls than threads, each call has one

        Raises ValueError for sizes that the library doesn't support and tensors that don't fit them, and MemoryError.
        """
        self._functions = _functions(library)
        self._sizes = sizes
        self._threads = threads
        self._active_threads = np.zeros(1, np.int32)
        needed = self._functions["weights_bytes"](sizes)
        if not needed:
            check_call(UNSUPPORTED_SIZES, "network")
        self._weights = aligned_bytes(needed)
        values = [np.ascontiguousarray(tensor, np.float32) for tensor in tensors]
        pointers = (c_void_p * len(values))(*[value.ctypes.data for value in values])
        lengths = (c_int64 * len(values))(*[value.size for value in values])
        check_call(
            self._functions["pack"](sizes, len(values), pointers, lengths, self._weights.ctypes.data, needed),
            "network",
        )

    def workspace(self) -> Workspace:
        """Allocate the memory of a call, which later calls may reuse. Raises MemoryError."""
        return Workspace(
            aligned_bytes(self._functions["workspace_bytes"](self._sizes, self._threads)),
            np.empty(self._shape, np.float32),
        )

    @property
    def _shape(self) -> tuple[int, ...]:
        return 2, self._sizes.all_bins, self._sizes.frames, 2

    def run(self, spectrum: Floats, workspace: Workspace, seconds: NDArray[np.float64] | None = None) -> None:
        """Compute the spectra into the workspace. The result does not depend on the number of threads.

        Adds the time of each of `STAGES` to `seconds`. Raises ValueError for a spectrum of another shape than that of
        `Workspace.spectra`, and for the workspace of another network.
        """
        spectrum = np.ascontiguousarray(spectrum, np.float32)
        # The library does not know the lengths of arrays.
        if spectrum.shape != self._shape:
            raise ValueError("the network is built for segments of another length")
        if workspace.spectra.shape != self._shape:
            raise ValueError("the workspace belongs to another network")
        if seconds is not None and (seconds.shape != (len(STAGES),) or seconds.dtype != np.float64):
            raise ValueError(f"seconds must have {len(STAGES)} float64 values")
        check_call(
            self._functions["run"](
                self._sizes,
                self._weights.ctypes.data,
                workspace.memory.ctypes.data,
                workspace.memory.size,
                self._threads,
                self._active_threads.ctypes.data,
                spectrum.ctypes.data,
                workspace.spectra.ctypes.data,
                None if seconds is None else seconds.ctypes.data,
            ),
            "network",
        )


def is_supported(library: NativeLibrary, sizes: MdxSizes) -> bool:
    """Whether the library can compute a network of these sizes."""
    return bool(_functions(library)["weights_bytes"](sizes))


def _functions(library: NativeLibrary) -> dict[str, Callable[..., int]]:
    return bind_functions(library.file, library.instructions, "mdx", _SIGNATURES)
