"""Resample a stream of blocks (channels, n), cut it into blocks of equal length, or read it twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.resample import Resampler


def resampled(blocks: Iterable[Floats], from_rate: int, to_rate: int, channels: int) -> Iterator[Floats]:
    """Resample a stream of blocks from one rate to another (Hz). Yields no empty blocks."""
    resampler = Resampler(from_rate, to_rate, channels)
    for block in blocks:
        out = resampler.push(block)
        if out.shape[1]:
            yield out
    out = resampler.push(np.zeros((channels, 0), np.float32), last=True)
    if out.shape[1]:
        yield out


def equal_blocks(blocks: Iterable[Floats], length: int) -> Iterator[Floats]:
    """Cut a stream into blocks (channels, length). The last block may be shorter. Yields no empty blocks."""
    parts: list[Floats] = []
    samples = 0
    for block in blocks:
        while samples + block.shape[1] >= length:
            missing = length - samples
            yield np.concatenate([*parts, block[:, :missing]], axis=1)
            parts, samples, block = [], 0, block[:, missing:]
        parts.append(block)
        samples += block.shape[1]
    if samples:
        yield np.concatenate(parts, axis=1)


def read_twice(blocks: Iterator[Floats]) -> tuple[Iterator[Floats], Iterator[Floats]]:
    """Return two iterators over `blocks`. A block is released once both have passed it.

    `itertools.tee` releases 57 items together, which is a minute of the song.
    """
    waiting: tuple[deque[Floats], deque[Floats]] = deque(), deque()

    def read(own: deque[Floats], other: deque[Floats]) -> Iterator[Floats]:
        while True:
            if own:
                yield own.popleft()
                continue
            block = next(blocks, None)
            if block is None:
                return
            other.append(block)
            yield block

    return read(*waiting), read(*waiting[::-1])
