"""HTDemucs computed by the native library. `unbraid.networks.htdemucs` is the same network in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_char_p, c_int64, c_void_p
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.native.library import (
    MISSING_TENSOR,
    SMALL_MEMORY,
    STAGES,
    UNSUPPORTED_SIZES,
    WRONG_LENGTH,
    HTDemucsSizes,
    NativeLibrary,
)
from unbraid.native.memory import aligned_bytes

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory of one call, for intermediate tensors and outputs."""

    memory: NDArray[np.uint8]
    waveforms: Floats
    """(1, sources, 2, samples)"""
    spectra: Floats
    """(1, sources, 2, 2048, frames, 2), real and imaginary parts"""


class NativeHTDemucs:
    """One network for segments of one length. Each concurrent call needs its own workspace."""

    def __init__(
        self,
        library: NativeLibrary,
        tensors: Mapping[str, NDArray[np.float16]],
        *,
        sources: int,
        width: int,
        samples: int,
        frames: int,
        threads: int = 1,
    ) -> None:
        """Pack the weights.

        Args:
            library: the native library
            tensors: weights, with their published names
            sources: number of sources
            width: width of the transformer; 0: the U-Nets' own channels
            samples: samples of a segment
            frames: frames of a segment's spectrogram
            threads: threads for all concurrent calls together; with more calls than threads, each call has one

        Raises ModelError if a tensor is missing or has the wrong length, ValueError for sizes that the library does
        not support, and MemoryError.
        """
        self._library = library
        self._threads = threads
        self._active_threads = np.zeros(1, np.int32)
        self._sizes = HTDemucsSizes(sources, width, samples, frames)
        needed = library.weights_bytes(self._sizes)
        if not needed:
            _check(UNSUPPORTED_SIZES)
        self._weights = aligned_bytes(needed)
        values = {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}
        names = (c_char_p * len(values))(*[name.encode() for name in values])
        pointers = (c_void_p * len(values))(*[value.ctypes.data for value in values.values()])
        lengths = (c_int64 * len(values))(*[value.size for value in values.values()])
        _check(
            library.pack(
                self._sizes, len(values), names, pointers, lengths, self._weights.ctypes.data, needed
            )
        )

    def workspace(self) -> Workspace:
        """Allocate the memory of a call, which later calls may reuse. Raises MemoryError."""
        sizes = self._sizes
        return Workspace(
            aligned_bytes(self._library.workspace_bytes(sizes, self._weights.ctypes.data, self._threads)),
            np.empty((1, sizes.sources, 2, sizes.samples), np.float32),
            np.empty((1, sizes.sources, 2, 2048, sizes.frames, 2), np.float32),
        )

    def run(
        self,
        mixture: Floats,
        spectrum: Floats,
        workspace: Workspace,
        seconds: NDArray[np.float64] | None = None,
    ) -> None:
        """Compute waveforms and spectra into the workspace. The result does not depend on the number of threads.

        Adds the time of each of `library.STAGES` to `seconds`.

        Shape:
            mixture: (1, 2, samples)
            spectrum: (1, 2, 2048, frames, 2)

        Raises ValueError for other shapes, and for the workspace of another network.
        """
        sizes = self._sizes
        mixture, spectrum = (np.ascontiguousarray(array, np.float32) for array in (mixture, spectrum))
        # The library does not know the lengths of arrays.
        if mixture.shape != (1, 2, sizes.samples) or spectrum.shape != (1, 2, 2048, sizes.frames, 2):
            raise ValueError("the network is built for segments of another length")
        if (
            workspace.waveforms.shape[1:] != (sizes.sources, 2, sizes.samples)
            or workspace.spectra.shape[4] != sizes.frames
        ):
            raise ValueError("the workspace belongs to another network")
        if seconds is not None and (seconds.shape != (len(STAGES),) or seconds.dtype != np.float64):
            raise ValueError(f"seconds must have {len(STAGES)} float64 values")
        _check(
            self._library.run(
                sizes,
                self._weights.ctypes.data,
                workspace.memory.ctypes.data,
                workspace.memory.size,
                self._threads,
                self._active_threads.ctypes.data,
                *(array.ctypes.data for array in (mixture, spectrum, workspace.waveforms, workspace.spectra)),
                None if seconds is None else seconds.ctypes.data,
            )
        )


def _check(result: int) -> None:
    """Raise the error of a call into the library, if any."""
    if result == UNSUPPORTED_SIZES:
        raise ValueError("the native library does not support a network of these sizes")
    if result == MISSING_TENSOR:
        raise ModelError("The weights lack a tensor of HTDemucs. Install the model again.")
    if result == WRONG_LENGTH:
        raise ModelError(
            "A tensor in the weights has the wrong length for HTDemucs. Install the model again."
        )
    if result == SMALL_MEMORY:
        raise ValueError("the workspace belongs to another network")
