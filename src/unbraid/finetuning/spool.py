"""Decoded stems on disk, in a file without a name, so that nothing of the music stays after the process.

The file is removed from its folder as soon as it is open. The system frees its space when the process ends, also when
it is killed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unbraid.audio.arrays import Floats

CHANNELS = 2
# float16 keeps 11 bits of each sample, whatever its level: noise 66 dB below it, and nothing is clipped.
STORED = np.float16


class Spool:
    """Stereo sounds, one after another in one file. Raises OSError, for example if the disk is full."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where the nameless file takes its space."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the spool
        self._samples = 0

    @property
    def samples(self) -> int:
        """Number of samples so far."""
        return self._samples

    def write(self, block: Floats) -> None:
        """Append a block (2, samples)."""
        self._file.write(np.ascontiguousarray(block.T, STORED).tobytes())
        self._samples += block.shape[1]

    def sounds(self) -> NDArray[np.float16]:
        """Return all samples so far, (samples, 2), mapped from the file."""
        self._file.flush()
        if not self._samples:
            return np.zeros((0, CHANNELS), STORED)
        return np.memmap(self._file, STORED, "r", shape=(self._samples, CHANNELS))

    def truncate(self, samples: int) -> None:
        """Forget everything after the first `samples` samples."""
        self._file.flush()
        self._file.seek(samples * CHANNELS * np.dtype(STORED).itemsize)
        self._file.truncate()
        self._samples = samples

    def close(self) -> None:
        """Free the file. Arrays from `sounds` stay valid as long as they are used."""
        self._file.close()
