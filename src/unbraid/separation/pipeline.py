"""The second pass over a song: read its blocks, run the networks, and write stems at the chosen rate and channels."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import resampled
from unbraid.audio.resample import resampled_length
from unbraid.errors import InputError
from unbraid.models import Model
from unbraid.separation.compute_lock import ComputeLock
from unbraid.separation.network import NetworkCache
from unbraid.separation.overlap import MixtureBuffer
from unbraid.separation.progress import Reporter
from unbraid.separation.settings import Part
from unbraid.separation.silence import silence_level
from unbraid.separation.song import STEREO, Analysis, Song, cut_to
from unbraid.separation.stems import StemChoice
from unbraid.separation.stream import stream_estimates
from unbraid.separation.sums import Sums
from unbraid.separation.writers import StemWriter


@dataclass(frozen=True, slots=True)
class Task:
    """A song and the stems to make from it."""

    song: Song
    analysis: Analysis
    choice: StemChoice
    sample_rate: int
    """Sample rate of the stems, Hz."""
    channels: int
    """Channels of the stems: 1 or 2."""
    reporter: Reporter
    sums: Path | None = None
    """File for the sums of several networks; None to keep them in memory."""

    @property
    def samples(self) -> int:
        """Length of the stems in samples."""
        return max(1, resampled_length(self.analysis.samples, self.song.sample_rate, self.sample_rate))

    @property
    def seconds(self) -> float:
        """Length of the song in seconds."""
        return self.analysis.samples / self.song.sample_rate


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A model with the runs of its networks."""

    model: Model
    parts: Sequence[Part]
    networks: NetworkCache
    compute_lock: ComputeLock = field(default_factory=ComputeLock)

    def separate(self, task: Task, writer: StemWriter) -> float:
        """Separate the song into `writer`, and finish the writer. Return the seconds spent waiting for the lock."""
        with self.compute_lock.hold(task.reporter.check) as waited_s:
            self._compute(task, writer)
        writer.finish(
            lambda written: task.reporter.report(
                "writing", written / task.samples * task.seconds, task.seconds
            )
        )
        return waited_s

    def _compute(self, task: Task, writer: StemWriter) -> None:
        """Separate the song into `writer`, without finishing it."""
        blocks: Iterator[Floats] = _song_blocks(task)
        mixture = MixtureBuffer(task.channels)
        rest: Iterator[Floats] = iter(())
        if task.choice.complement == "rest":
            blocks, blocks_again = tee(blocks)
            rest = self._to_stem_rate(
                _to_channels(blocks_again, task.channels), task, task.song.sample_rate, task.channels
            )
        parts = self._parts(task)
        self._report(task, 0, len(parts), 0.0)
        done = 0
        with closing(self._estimates(task, parts, blocks)) as estimates:
            for block in estimates:
                until = done + block.shape[-1]
                while task.choice.complement == "rest" and mixture.stop < until:
                    mixture.append(next(rest))
                writer.write(task.choice.finish(block, mixture.read(done, until - done)))
                mixture.forget(until)
                done = until
                self._report(task, len(parts) - 1, len(parts), done / task.samples)

    def _parts(self, task: Task) -> Sequence[Part]:
        """Return the networks that contribute to the chosen stems."""
        return [part for part in self.parts if any(part.weights[source] for source in task.choice.sources)]

    def _estimates(self, task: Task, parts: Sequence[Part], blocks: Iterator[Floats]) -> Generator[Floats]:
        """Yield estimates (sources, channels, n) of the chosen sources, at the rate and channels of the stems."""
        sources = len(task.choice.sources)
        with closing(self._mean(task, parts, blocks)) as stream:
            # The resampler knows only channels, so pass the channels of all sources side by side.
            flat = (part.reshape(-1, part.shape[-1]) for part in self._from_model(stream, task))
            width = sources * task.channels
            for block in self._to_stem_rate(flat, task, self.model.sample_rate, width):
                yield block.reshape(sources, task.channels, -1)

    def _mean(self, task: Task, parts: Sequence[Part], blocks: Iterator[Floats]) -> Generator[Floats]:
        """Yield the weighted mean of the networks' estimates, (sources, 2, n), at the model's rate.

        The networks run over the whole song one after another, because several don't fit into memory. The last one
        reads `blocks`.
        """
        if len(parts) == 1:
            yield from self._stream(task, parts[0], task.choice.sources, blocks)
            return
        *others, last = ((part, *_nonzero_weights(part, task.choice.sources)) for part in parts)
        totals = np.zeros((len(task.choice.sources), 1, 1), np.float32)
        with Sums(task.sums, len(totals), STEREO, task.analysis.model_samples) as sums:
            for number, (part, rows, weights) in enumerate(others):
                done = 0
                chosen = [task.choice.sources[row] for row in rows]
                with closing(self._stream(task, part, chosen, _song_blocks(task))) as stream:
                    for block in stream:
                        sums.add(done, rows, block * weights)
                        done += block.shape[-1]
                        self._report(task, number, len(parts), done / task.analysis.model_samples)
                totals[rows] += weights
            part, rows, weights = last
            totals[rows] += weights
            done = 0
            chosen = [task.choice.sources[row] for row in rows]
            with closing(self._stream(task, part, chosen, blocks)) as stream:
                for block in stream:
                    whole = np.stack([sums.read(done, block.shape[-1], row) for row in range(len(totals))])
                    whole[rows] += block * weights
                    done += block.shape[-1]
                    yield whole / totals

    def _stream(
        self, task: Task, part: Part, sources: Sequence[int], blocks: Iterator[Floats]
    ) -> Generator[Floats]:
        """Yield the estimates of one network: blocks (sources, 2, n)."""
        song, samples = task.song, task.analysis.model_samples
        at_model_rate = resampled(blocks, song.sample_rate, self.model.sample_rate, song.channels)
        mixture = self._to_model(cut_to(at_model_rate, samples, song.channels), task.analysis)
        task.reporter.check()
        network = self.networks.get(part.model)
        yield from stream_estimates(
            mixture,
            samples,
            network,
            part.runs,
            sources,
            # The deviation is known only if the model normalises.
            silence=silence_level(task.analysis.deviation) if self.model.normalise else 0.0,
            jobs=network.jobs,
            check=task.reporter.check,
        )

    def _to_model(self, blocks: Iterable[Floats], analysis: Analysis) -> Iterator[Floats]:
        """Convert blocks to the network's input: stereo and normalised."""
        mean, deviation = np.float32(analysis.mean), np.float32(analysis.deviation)
        for block in blocks:
            stereo = np.broadcast_to(block, (STEREO, block.shape[1]))
            yield (stereo - mean) / deviation if self.model.normalise else stereo

    def _from_model(self, estimates: Iterable[Floats], task: Task) -> Iterator[Floats]:
        """Undo `_to_model`. For mono stems, return the mean of both channels."""
        mean, deviation = np.float32(task.analysis.mean), np.float32(task.analysis.deviation)
        for estimate in estimates:
            if self.model.normalise:
                estimate *= deviation  # in place: allocating memory takes longer than the arithmetic
                estimate += mean
            yield estimate.mean(axis=1, keepdims=True) if task.channels == 1 else estimate

    def _to_stem_rate(self, blocks: Iterable[Floats], task: Task, rate: int, width: int) -> Iterator[Floats]:
        """Convert `blocks` (width, n) at `rate` to the rate and the length of the stems."""
        return cut_to(resampled(blocks, rate, task.sample_rate, width), task.samples, width)

    def _report(self, task: Task, part: int, parts: int, share: float) -> None:
        """Report that network `part` (from 0) of `parts` has processed the fraction `share` of the song."""
        done = (part + share) / parts
        task.reporter.report("separating", done * task.seconds, task.seconds)


def _nonzero_weights(part: Part, sources: Sequence[int]) -> tuple[list[int], Floats]:
    """Return the positions in `sources` with a weight above 0 for this network, and the weights, (positions, 1, 1)."""
    rows = [row for row, source in enumerate(sources) if part.weights[source]]
    weights = np.array([part.weights[sources[row]] for row in rows], np.float32)
    return rows, weights[:, None, None]


def _song_blocks(task: Task) -> Iterator[Floats]:
    """Yield the blocks of the song. Raises InputError if its length differs from the first pass."""
    expected, samples = task.analysis.samples, 0
    changed = InputError("changed while it was being read. Try again.", subject=task.song.name)
    for block in task.song.blocks():
        samples += block.shape[1]
        if samples > expected:
            raise changed
        yield block
    if samples < expected:
        raise changed


def _to_channels(blocks: Iterable[Floats], channels: int) -> Iterator[Floats]:
    """Convert `blocks` (1 or 2, n) to (channels, n): mono is duplicated, stereo is averaged."""
    for block in blocks:
        if channels == 1:
            yield block.mean(axis=0, keepdims=True)
        else:
            yield np.broadcast_to(block, (channels, block.shape[1]))
