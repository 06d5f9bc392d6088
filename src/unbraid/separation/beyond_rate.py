"""Add to the stems of an ensemble what the rate of its models can't hold of the song."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.separation.overlap import MixtureBuffer


class BeyondRate:
    """Adds to each stem its share of the difference between the song and the song at the models' rate.

    `shares` has one number for each stem; `whole` and `held` yield both songs as blocks (channels, n) at the stems'
    rate. If the shares add up to 1 and the stems to the song at the models' rate, the results add up to the song.
    """

    def __init__(
        self, shares: Floats, channels: int, whole: Iterator[Floats], held: Iterator[Floats]
    ) -> None:
        self._shares = shares[:, None, None]
        self._streams = whole, held
        self._buffers = MixtureBuffer(channels), MixtureBuffer(channels)
        self._done = 0

    def add(self, stems: Floats) -> Floats:
        """Return the next samples of the stems, (stems, channels, n), with their shares."""
        until = self._done + stems.shape[-1]
        for buffer, stream in zip(self._buffers, self._streams, strict=True):
            while buffer.stop < until:
                buffer.append(next(stream))
        whole, held = (buffer.read(self._done, until - self._done) for buffer in self._buffers)
        for buffer in self._buffers:
            buffer.forget(until)
        self._done = until
        result: Floats = stems + self._shares * np.subtract(whole, held)
        return result
