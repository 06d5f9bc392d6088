"""Cut a song into overlapping segments and add the estimates up again, holding only what is unfinished.

The rules are those of Demucs (`apply_model`), so that its networks give here what they give there: a segment
starts every `(1 - overlap) * length` samples until the song is over, and the end of the song cuts the last ones
short. For these some networks read as much as for any other: real music on both sides where there is any, and
zeros beyond the ends of the song; others read just the cut. Estimates are weighted with a triangle that peaks in
the middle of the segment, and divided by the sum of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unbraid.separation.arrays import Floats


@dataclass(frozen=True, slots=True)
class Segment:
    """One cut, in samples of the song; `start` is negative where a shift moved it before the first sample."""

    start: int
    """First sample it estimates."""
    length: int
    """How many samples it estimates."""
    read_start: int
    """First sample the network reads for that (maybe before the song)."""
    read_length: int
    """How many samples it reads."""
    next_start: int
    """Where the next segment starts: what lies before is finished with this one."""

    @property
    def stop(self) -> int:
        """End of what it estimates."""
        return self.start + self.length

    @property
    def read_stop(self) -> int:
        """End of what the network reads (maybe after the song)."""
        return self.read_start + self.read_length

    @property
    def inner(self) -> slice:
        """Where the estimated samples stand in what the network reads."""
        offset = self.start - self.read_start
        return slice(offset, offset + self.length)


def plan_segments(
    samples: int, length: int, overlap: float, shift: int = 0, *, surrounded: bool = True
) -> Iterator[Segment]:
    """Segments of `length` over a song of `samples` that is preceded by `shift` zeros.

    `surrounded`: for those that the end of the song cuts short, the network reads what lies around them too.
    """
    stride = int((1 - overlap) * length)
    if stride < 1:
        raise ValueError(f"overlap {overlap} leaves no step between segments of {length} samples")
    for offset in range(0, samples + shift, stride):
        estimated = min(length, samples + shift - offset)
        start = offset - shift
        read = length if surrounded else estimated
        yield Segment(start, estimated, start - (read - estimated) // 2, read, min(start + stride, samples))


def triangle(length: int) -> Floats:
    """Weight of each sample of a segment: 1, 2 ... up to its middle and back down, over the maximum."""
    half = length // 2
    ramp = np.concatenate([np.arange(1, half + 1), np.arange(length - half, 0, -1)])
    weight: Floats = (ramp / ramp.max()).astype(np.float32)
    return weight


class MixtureBuffer:
    """The stretch of a song that still has to be read; before its start and after its end are zeros."""

    def __init__(self, channels: int) -> None:
        self._blocks: list[Floats] = []
        self._channels = channels
        self._first = 0
        self.stop = 0
        """Samples of the song taken in so far."""

    def append(self, block: Floats) -> None:
        """Take in the next samples, (channels, samples)."""
        self._blocks.append(block)
        self.stop += block.shape[1]

    def forget(self, before: int) -> None:
        """Drop whole blocks that lie before sample `before`."""
        while self._blocks and self._first + self._blocks[0].shape[1] <= before:
            self._first += self._blocks.pop(0).shape[1]

    def read(self, start: int, length: int) -> Floats:
        """Copy of samples `start` to `start + length`, (channels, length)."""
        result = np.zeros((self._channels, length), np.float32)
        position = self._first
        for block in self._blocks:
            begin, end = max(position, start), min(position + block.shape[1], start + length)
            if begin < end:
                result[:, begin - start : end - start] = block[:, begin - position : end - position]
            position += block.shape[1]
        return result


class OverlapAdd:
    """Weighted sum of the estimates of one network; hands out what no further segment will touch.

    `length` of a segment; `capacity`: samples between the first one not taken yet and the end of the newest
    segment.
    """

    def __init__(self, sources: int, channels: int, length: int, capacity: int) -> None:
        self._weight = triangle(length)
        self._sum = np.empty((sources, channels, capacity), np.float32)
        self._weights = np.empty(capacity, np.float32)
        self._first = 0
        self._filled = 0  # samples from there on that hold something

    def add(self, segment: Segment, estimate: Floats) -> None:
        """Add `estimate` (sources, channels, segment.length); segments come in the order of their starts."""
        # What a shift puts before the song is dropped: nobody hears it.
        unheard = min(max(0, -segment.start), segment.length)
        weight = self._weight[unheard : segment.length]
        estimate = estimate[..., unheard:]
        start, stop = segment.start + unheard - self._first, max(segment.stop, 0) - self._first
        # No segment starts after the end of the one before, so that nothing is left out between both.
        shared = min(max(0, self._filled - start), weight.size)
        both, new = slice(start, start + shared), slice(start + shared, stop)
        self._sum[..., both] += weight[:shared] * estimate[..., :shared]
        self._weights[both] += weight[:shared]
        np.multiply(weight[shared:], estimate[..., shared:], out=self._sum[..., new])
        self._weights[new] = weight[shared:]
        self._filled = max(self._filled, stop)

    def take(self, before: int) -> Floats:
        """Finished samples up to `before`, (sources, channels, samples), and forget them."""
        count = before - self._first
        finished: Floats = self._sum[..., :count] / self._weights[:count]
        for held in (self._sum, self._weights):
            held[..., : self._filled - count] = held[..., count : self._filled]
        self._filled -= count
        self._first = before
        return finished
