"""Sums of the estimates of several networks, kept on disk while one network after another processes the song."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.files.oserrors import report_output_errors


class Sums:
    """Context manager for sums (sources, channels, samples) in the file `path` (None: in memory). Initially zero.

    Each channel of each source has its own range of the file. On most disks, ranges that are never written take no
    space. Raises OutputError.
    """

    def __init__(self, path: Path | None, sources: int, channels: int, samples: int) -> None:
        self._path = path
        self._channels = channels
        self._samples = samples
        self._written = [False] * sources

    def __enter__(self) -> Sums:
        with self._reporting():
            # Unbuffered: a full disk is noticed by `add`, not when the file is closed.
            self._file: BinaryIO = self._path.open("w+b", buffering=0) if self._path else BytesIO()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, start: int, sources: Sequence[int], estimates: Floats) -> None:
        """Add `estimates` (len(sources), channels, n) to the sums of `sources`, from sample `start` on."""
        for source, estimate in zip(sources, estimates, strict=True):
            sums = self.read(start, estimate.shape[-1], source)
            sums += estimate
            self._written[source] = True
            with self._reporting():
                for channel, values in enumerate(sums):
                    self._seek(source, channel, start)
                    rest = values.view(np.uint8).data
                    while rest:  # an unbuffered file may write only a part
                        rest = rest[self._file.write(rest) :]

    def read(self, start: int, samples: int, source: int) -> Floats:
        """Read the sum (channels, samples) of `source` from sample `start` on."""
        sums = np.zeros((self._channels, samples), np.float32)
        if self._written[source]:
            with self._reporting():
                for channel, values in enumerate(sums):
                    self._seek(source, channel, start)
                    # Samples that were never written are zero, or beyond the end of the file.
                    content = np.frombuffer(self._file.read(values.nbytes), np.float32)
                    values[: content.size] = content
        return sums

    def _seek(self, source: int, channel: int, start: int) -> None:
        position = (source * self._channels + channel) * self._samples + start
        self._file.seek(position * np.dtype(np.float32).itemsize)

    def _reporting(self) -> AbstractContextManager[None]:
        return report_output_errors(self._path or Path())
