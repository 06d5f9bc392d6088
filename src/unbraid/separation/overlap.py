"""Cut a song into overlapping segments, and overlap-add the estimates in constant memory.

This is the algorithm of Demucs (`apply_model`), so that its networks give the same results. A segment starts every
`(1 - overlap) * length` samples; the end of the song shortens the last segments. For a shortened segment, networks
differ in what they read (`Context`). Estimates are weighted with a triangle that peaks in the middle of the segment,
and divided by the sum of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unbraid.audio.arrays import Floats

Weights = Callable[[int], Floats]
"""Returns the weight of each sample of an estimate that has so many samples."""

# What a network reads for a segment that the end of the song shortens. around: the segment in the middle of a full
# length, with zeros beyond the ends of the song, as Demucs does. inside: the last full length of the song; zeros follow
# a shorter song. none: only the segment.
Context = Literal["around", "inside", "none"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment, in samples of the song. `start` is negative if a shift moved it before the first sample."""

    start: int
    """First estimated sample."""
    length: int
    """Number of estimated samples."""
    read_start: int
    """First sample that the network reads; may be before the song."""
    read_length: int
    """Number of samples that the network reads."""
    next_start: int
    """Start of the next segment: all samples before it are final once this segment is added."""

    @property
    def stop(self) -> int:
        """End of the estimated samples."""
        return self.start + self.length

    @property
    def read_stop(self) -> int:
        """End of the samples that the network reads; may be after the song."""
        return self.read_start + self.read_length

    @property
    def place(self) -> tuple[int, int]:
        """Start and length of the samples that the network reads."""
        return self.read_start, self.read_length

    def moved(self, by: int) -> Segment:
        """Return the same segment in a song that begins `by` samples earlier."""
        return replace(
            self, start=self.start + by, read_start=self.read_start + by, next_start=self.next_start + by
        )

    @property
    def inner(self) -> slice:
        """Position of the estimated samples within the samples that the network reads."""
        offset = self.start - self.read_start
        return slice(offset, offset + self.length)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a song, in samples of the whole song."""

    samples: int
    """Length of the whole song."""
    first: int
    """First sample that is read."""
    start: int
    """First sample to estimate."""
    stop: int
    """End of the samples to estimate."""
    end: int
    """End of the samples that are read."""


def plan_segments(
    samples: int, length: int, overlap: float, shift: int = 0, *, context: Context = "around"
) -> Iterator[Segment]:
    """Plan segments of `length` for a song of `samples`, preceded by `shift` zeros."""
    stride = int((1 - overlap) * length)
    if stride < 1:
        raise ValueError(f"overlap {overlap} leaves no step between segments of {length} samples")
    for offset in range(0, samples + shift, stride):
        estimated = min(length, samples + shift - offset)
        start = offset - shift
        read = estimated if context == "none" else length
        read_start = start - (read - estimated) // 2
        if context == "inside":
            read_start = min(start, max(0, samples - length))
        yield Segment(start, estimated, read_start, read, min(start + stride, samples))


def triangle(length: int) -> Floats:
    """Return the weight of each sample of a segment: 1, 2, … up to the middle, back to 1, divided by the maximum."""
    half = length // 2
    ramp = np.concatenate([np.arange(1, half + 1), np.arange(length - half, 0, -1)])
    weight: Floats = (ramp / ramp.max()).astype(np.float32)
    return weight


def triangles(length: int) -> Weights:
    """Return the weights of segments of up to `length`: of a shorter one, the beginning of the triangle."""
    weight = triangle(length)
    return lambda samples: weight[:samples]


class MixtureBuffer:
    """Buffer for the part of a song that segments still read. Samples before and after the song are zero."""

    def __init__(self, channels: int) -> None:
        self._blocks: list[Floats] = []
        self._channels = channels
        self._first = 0
        self.stop = 0
        """Number of samples appended so far."""

    def append(self, block: Floats) -> None:
        """Append the next samples, (channels, samples)."""
        self._blocks.append(block)
        self.stop += block.shape[1]

    def forget(self, before: int) -> None:
        """Drop blocks that end before sample `before`."""
        while self._blocks and self._first + self._blocks[0].shape[1] <= before:
            self._first += self._blocks.pop(0).shape[1]

    def read(self, start: int, length: int) -> Floats:
        """Copy samples from `start` to `start + length`: (channels, length)."""
        result = np.zeros((self._channels, length), np.float32)
        position = self._first
        for block in self._blocks:
            begin, end = max(position, start), min(position + block.shape[1], start + length)
            if begin < end:
                result[:, begin - start : end - start] = block[:, begin - position : end - position]
            position += block.shape[1]
        return result


class OverlapAdd:
    """Weighted sum of one network's estimates. Final samples can be taken while later segments are added.

    `weights` gives the weights of a segment's samples. `capacity` is the maximum number of samples from the first one
    not yet taken to the end of the newest segment. Samples before `start` are dropped: those that a shift puts before
    the song.
    """

    def __init__(self, sources: int, channels: int, weights: Weights, capacity: int, start: int = 0) -> None:
        self._weights_of = weights
        self._sum = np.empty((sources, channels, capacity), np.float32)
        self._weights = np.empty(capacity, np.float32)
        self._start = self._first = start
        self._filled = 0  # number of samples from `_first` on with estimates

    def add(self, segment: Segment, estimate: Floats) -> None:
        """Add `estimate` (sources, channels, segment.length). Segments must be added in order of their starts."""
        dropped = min(max(0, self._start - segment.start), segment.length)
        weight = self._weights_of(segment.length)[dropped:]
        estimate = estimate[..., dropped:]
        start = segment.start + dropped - self._first
        stop = max(segment.stop, self._start) - self._first
        # No segment starts after the end of the one before, so there are no gaps.
        count = min(max(0, self._filled - start), weight.size)
        overlapping, appended = slice(start, start + count), slice(start + count, stop)
        self._sum[..., overlapping] += weight[:count] * estimate[..., :count]
        self._weights[overlapping] += weight[:count]
        np.multiply(weight[count:], estimate[..., count:], out=self._sum[..., appended])
        self._weights[appended] = weight[count:]
        self._filled = max(self._filled, stop)

    def take(self, before: int) -> Floats:
        """Return and drop the final samples up to `before`: (sources, channels, samples)."""
        count = before - self._first
        finished: Floats = self._sum[..., :count] / self._weights[:count]
        for buffer in (self._sum, self._weights):
            buffer[..., : self._filled - count] = buffer[..., count : self._filled]
        self._filled -= count
        self._first = before
        return finished
