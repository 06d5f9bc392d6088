"""A sound as a stream of blocks (channels, n), brought to another sample rate or to blocks of one length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from unbraid.audio.resample import Block, Resampler


def resampled(blocks: Iterable[Block], from_rate: int, to_rate: int, channels: int) -> Iterator[Block]:
    """The same sound at another sample rate (Hz), without empty blocks."""
    resampler = Resampler(from_rate, to_rate, channels)
    for block in blocks:
        out = resampler.push(block)
        if out.shape[1]:
            yield out
    out = resampler.push(np.zeros((channels, 0), np.float32), last=True)
    if out.shape[1]:
        yield out


def even(blocks: Iterable[Block], length: int) -> Iterator[Block]:
    """The same sound as (channels, length) each, the last one shorter, none empty."""
    waiting: list[Block] = []
    samples = 0
    for block in blocks:
        while samples + block.shape[1] >= length:
            missing = length - samples
            yield np.concatenate([*waiting, block[:, :missing]], axis=1)
            waiting, samples, block = [], 0, block[:, missing:]
        waiting.append(block)
        samples += block.shape[1]
    if samples:
        yield np.concatenate(waiting, axis=1)
