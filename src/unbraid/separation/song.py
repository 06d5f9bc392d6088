"""A song that can be read several times: a file, or an array in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import resampled
from unbraid.audio.decode import Decoder
from unbraid.audio.probe import probe
from unbraid.audio.resample import resampled_length
from unbraid.errors import InputError, SongWarning
from unbraid.models import Model
from unbraid.separation.progress import Reporter

# Networks read stereo. A mono song is copied to both channels.
STEREO = 2

# Added to the deviation, as in Demucs, to avoid dividing silence by zero.
SILENT_DEVIATION = 1e-8


class Song(Protocol):
    """A song of one or two channels."""

    name: str
    sample_rate: int
    channels: int
    """1 or 2; exact after the first complete reading."""
    claimed_samples: int | None
    """Length in the header, which may be wrong; None if there is none."""
    warnings: list[SongWarning]
    """Problems found in the last complete reading."""

    def blocks(self) -> Iterator[Floats]:
        """Yield the song from its start, as blocks (channels, n)."""
        ...


class FileSong:
    """One audio stream of a file. Surround sound is mixed to stereo.

    A file that starts in mono and continues in stereo is stereo from the second reading on.
    """

    def __init__(self, path: str | PathLike[str], stream: int | None = None) -> None:
        self.info = probe(path, stream)
        self.name = Path(path).name
        self.sample_rate = self.info.sample_rate
        self.channels = min(self.info.channels, STEREO)
        claimed_s = self.info.duration_s
        self.claimed_samples = None if claimed_s is None else round(claimed_s * self.sample_rate)
        self.warnings: list[SongWarning] = []
        self._path = path
        self._stream = stream

    def blocks(self) -> Iterator[Floats]:
        """See `Song.blocks`."""
        with Decoder(self._path, channels=self.channels, stream=self._stream, info=self.info) as decoder:
            yield from decoder
            self.warnings = [*self._about_streams(), *decoder.warnings]
            self.channels = decoder.widest

    def _about_streams(self) -> list[SongWarning]:
        """Say which of several audio streams was chosen, unless the user chose it."""
        if self.info.streams == 1 or self._stream is not None:
            return []
        which = f"stream {self.info.stream}" + (f" ({self.info.language})" if self.info.language else "")
        reason = f"has {self.info.streams} audio streams, counted from 0; {which} is used."
        return [SongWarning(self.name, reason, "Choose another with `unbraid separate --audio-stream N`.")]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of a song's mono mix, by which a network's input is normalised."""

    mean: float
    deviation: float
    """Above 0, also for silence."""

    def of(self, model: Model) -> Normalisation:
        """Return the part of it that `model` uses; see `Model.normalise`."""
        if model.normalise is True:
            return self
        return Normalisation(0.0, self.deviation) if model.normalise else NOT_NORMALISED

    def to_network(self, block: Floats) -> Floats:
        """Normalise a block of the song, (channels, n)."""
        if self == NOT_NORMALISED:
            return block
        return (block - np.float32(self.mean)) / np.float32(self.deviation)

    def from_network(self, estimate: Floats) -> Floats:
        """Undo `to_network`, in place: allocating memory takes longer than the arithmetic."""
        if self != NOT_NORMALISED:
            estimate *= np.float32(self.deviation)
            estimate += np.float32(self.mean)
        return estimate


NOT_NORMALISED = Normalisation(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Analysis:
    """Results of the first pass over a song."""

    samples: int
    """Exact length at the song's sample rate."""
    model_samples: int
    """Length at the model's sample rate."""
    normalisation: Normalisation
    """Of the song at the model's rate; 0 and 1 if no network of the model normalises."""
    warnings: tuple[SongWarning, ...]


def analyse(song: Song, model: Model, reporter: Reporter) -> Analysis:
    """Read the whole song once. Return its exact length, its problems, and mean and deviation if `model` normalises.

    Raises InputError if the song is unreadable or has no samples.
    """
    samples = 0
    claimed_s = song.claimed_samples / song.sample_rate if song.claimed_samples else None
    moments = Moments()

    def mono() -> Iterator[Floats]:
        nonlocal samples
        for block in song.blocks():
            samples += block.shape[1]
            reporter.report("analysing", samples / song.sample_rate, claimed_s)
            yield block.mean(axis=0, keepdims=True)

    # Mixing before resampling halves the work. The result is the same, because resampling is linear.
    normalises = any(network.normalise for network in model.networks)
    blocks = resampled(mono(), song.sample_rate, model.sample_rate, 1) if normalises else mono()
    for block in blocks:
        moments.add(block[0])
    if samples == 0:
        raise InputError("has no audio: it is 0 samples long. Choose another file.", subject=song.name)
    return Analysis(
        samples=samples,
        # At least 1: a single sample at 192 kHz would round to 0.
        model_samples=max(1, resampled_length(samples, song.sample_rate, model.sample_rate)),
        normalisation=moments.normalisation if normalises else NOT_NORMALISED,
        warnings=tuple(song.warnings),
    )


def cut_to(blocks: Iterable[Floats], samples: int, channels: int) -> Iterator[Floats]:
    """Cut blocks (channels, n) to `samples` in total, or append zeros."""
    left = samples
    for block in blocks:
        if block.shape[1] > left:
            block = block[:, :left]
        left -= block.shape[1]
        if block.shape[1]:
            yield block
    if left:
        yield np.zeros((channels, left), np.float32)


class Moments:
    """Mean and standard deviation of a stream, in float64, without cancellation (Chan, Golub and LeVeque, 1983)."""

    def __init__(self) -> None:
        self._count = 0
        self.mean = 0.0
        self._squares = 0.0  # sum of (x - mean)^2

    def add(self, samples: Floats) -> None:
        values = samples.astype(np.float64)
        mean = float(values.mean())
        delta = mean - self.mean
        count = self._count + values.size
        values -= mean
        np.square(values, out=values)
        self._squares += float(values.sum()) + delta**2 * self._count * values.size / count
        self.mean += delta * values.size / count
        self._count = count

    @property
    def deviation(self) -> float:
        """Square root of the unbiased variance (divided by n - 1, as in torch); 0 for a single sample."""
        return (self._squares / (self._count - 1)) ** 0.5 if self._count > 1 else 0.0

    @property
    def normalisation(self) -> Normalisation:
        """Mean and deviation for a network's input."""
        return Normalisation(self.mean, self.deviation + SILENT_DEVIATION)
