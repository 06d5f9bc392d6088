"""HTDemucs by the native library: see `unbraid.networks.htdemucs` for the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import CDLL, c_char_p, c_void_p
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unbraid.errors import ModelError
from unbraid.native.library import PARTS, HTDemucsSizes

Floats = NDArray[np.float32]

_ALIGNMENT = 64  # bytes


@dataclass(frozen=True, slots=True)
class Desk:
    """The memory of one call: what it works in, and what it gives."""

    room: NDArray[np.uint8]
    waveforms: Floats
    """(1, sources, 2, samples)"""
    spectra: Floats
    """(1, sources, 2, 2048, frames, 2), real and imaginary parts"""


class NativeHTDemucs:
    """One network for segments of one length. Calls with desks of their own may run at the same time."""

    def __init__(
        self,
        library: CDLL,
        tensors: Mapping[str, NDArray[np.float16]],
        *,
        sources: int,
        width: int,
        samples: int,
        frames: int,
        threads: int = 1,
    ) -> None:
        """`tensors`: by the names of the published ones; `width`: of the transformer, 0 for the U-Net's own; `threads`:
        that work on all calls together, unless there are more calls.

        Raises ModelError where a tensor is missing, and MemoryError.
        """
        self._library = library
        self._threads = threads
        self._busy = np.zeros(1, np.int32)
        self._sizes = HTDemucsSizes(sources, width, samples, frames)
        self._weights = _aligned(library.htdemucs_weights_bytes(self._sizes))
        values = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        names = (c_char_p * len(values))(*[name.encode() for name in values])
        places = (c_void_p * len(values))(*[value.ctypes.data for value in values.values()])
        if library.htdemucs_pack(self._sizes, len(values), names, places, self._weights.ctypes.data) != 0:
            raise ModelError("the weights lack a tensor of HTDemucs")

    def desk(self) -> Desk:
        """Memory for calls, one after the other. Raises MemoryError."""
        sizes = self._sizes
        return Desk(
            _aligned(self._library.htdemucs_room_bytes(sizes, self._weights.ctypes.data, self._threads)),
            np.empty((1, sizes.sources, 2, sizes.samples), np.float32),
            np.empty((1, sizes.sources, 2, 2048, sizes.frames, 2), np.float32),
        )

    def run(
        self,
        mixture: Floats,
        spectrum: Floats,
        desk: Desk,
        seconds: NDArray[np.float64] | None = None,
    ) -> None:
        """Fill the desk's waveforms and spectra; the same whatever the number of threads.

        The time of each of `library.PARTS` is added to `seconds`.

        Shape:
            mixture: (1, 2, samples)
            spectrum: (1, 2, 2048, frames, 2)

        Raises ValueError for other shapes.
        """
        sizes = self._sizes
        mixture, spectrum = (np.ascontiguousarray(array, np.float32) for array in (mixture, spectrum))
        # The library believes in its sizes.
        if mixture.shape != (1, 2, sizes.samples) or spectrum.shape != (1, 2, 2048, sizes.frames, 2):
            raise ValueError("the network was made for segments of another length")
        if seconds is not None and (seconds.shape != (len(PARTS),) or seconds.dtype != np.float64):
            raise ValueError(f"seconds has to be {len(PARTS)} times float64")
        self._library.htdemucs_run(
            sizes,
            self._weights.ctypes.data,
            desk.room.ctypes.data,
            self._threads,
            self._busy.ctypes.data,
            *(array.ctypes.data for array in (mixture, spectrum, desk.waveforms, desk.spectra)),
            None if seconds is None else seconds.ctypes.data,
        )


def _aligned(count: int) -> NDArray[np.uint8]:
    """So many bytes, from an address that the library's instructions need."""
    whole = np.empty(count + _ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % _ALIGNMENT
    return whole[start : start + count]
