"""The second pass over a song: its blocks in, finished stems out, at the rate and with the channels wanted."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path

import numpy as np

from unbraid.audio.blocks import resampled
from unbraid.audio.resample import resampled_length
from unbraid.errors import InputError
from unbraid.models import Model
from unbraid.separation.arrays import Floats
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
    """A song, and what is wanted of it."""

    song: Song
    analysis: Analysis
    choice: StemChoice
    sample_rate: int
    """Of the stems, Hz."""
    channels: int
    """Of the stems: 1 or 2."""
    reporter: Reporter
    sums: Path | None = None
    """Where the sums of several networks may wait; in memory without."""

    @property
    def samples(self) -> int:
        """Length of the stems."""
        return max(1, resampled_length(self.analysis.samples, self.song.sample_rate, self.sample_rate))

    @property
    def seconds(self) -> float:
        """Length of the song."""
        return self.analysis.samples / self.song.sample_rate


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A model, and how its networks are led through a song."""

    model: Model
    parts: Sequence[Part]
    networks: NetworkCache
    compute_lock: ComputeLock = field(default_factory=ComputeLock)

    def separate(self, task: Task, writer: StemWriter) -> float:
        """Read the song and give the chosen stems to `writer`, which is finished at the end.

        Other songs' networks don't compute meanwhile; gives the seconds that this one waited for theirs.
        """
        with self.compute_lock.hold(task.reporter.check) as waited_s:
            self._compute(task, writer)
        writer.finish(
            lambda written: task.reporter.report(
                "writing", written / task.samples * task.seconds, task.seconds
            )
        )
        return waited_s

    def _compute(self, task: Task, writer: StemWriter) -> None:
        """All but finishing."""
        blocks: Iterator[Floats] = _complete(task)
        mixture = MixtureBuffer(task.channels)
        rest: Iterator[Floats] = iter(())
        if task.choice.complement == "rest":
            blocks, kept = tee(blocks)
            rest = self._as_stems(
                _to_channels(kept, task.channels), task, task.song.sample_rate, task.channels
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
        """The networks that have a say in what is wanted."""
        return [part for part in self.parts if any(part.weights[source] for source in task.choice.sources)]

    def _estimates(self, task: Task, parts: Sequence[Part], blocks: Iterator[Floats]) -> Generator[Floats]:
        """Estimates (sources, channels, n) of the sources wanted, as the stems are to be; reads the song's `blocks`."""
        sources = len(task.choice.sources)
        with closing(self._mean(task, parts, blocks)) as stream:
            # The resampler knows channels only, so the sources' channels stand beside each other for it.
            flat = (part.reshape(-1, part.shape[-1]) for part in self._from_model(stream, task))
            width = sources * task.channels
            for block in self._as_stems(flat, task, self.model.sample_rate, width):
                yield block.reshape(sources, task.channels, -1)

    def _mean(self, task: Task, parts: Sequence[Part], blocks: Iterator[Floats]) -> Generator[Floats]:
        """Weighted mean of the networks' estimates, (sources, 2, n), as the model hears the song.

        One network after the other goes through the whole song, as several don't fit into memory; the last one through
        `blocks`.
        """
        if len(parts) == 1:
            yield from self._stream(task, parts[0], task.choice.sources, blocks)
            return
        *others, last = ((part, *_say(part, task.choice.sources)) for part in parts)
        totals = np.zeros((len(task.choice.sources), 1, 1), np.float32)
        with Sums(task.sums, len(totals), STEREO, task.analysis.model_samples) as sums:
            for number, (part, rows, weights) in enumerate(others):
                done = 0
                chosen = [task.choice.sources[row] for row in rows]
                with closing(self._stream(task, part, chosen, _complete(task))) as stream:
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
        """What one network makes of the song: blocks (sources, 2, n)."""
        song, samples = task.song, task.analysis.model_samples
        heard = resampled(blocks, song.sample_rate, self.model.sample_rate, song.channels)
        mixture = self._to_model(cut_to(heard, samples, song.channels), task.analysis)
        task.reporter.check()
        network = self.networks.get(part.model)
        yield from stream_estimates(
            mixture,
            samples,
            network,
            part.runs,
            sources,
            # How loud the song is has not been looked at where the model doesn't want to know.
            silence=silence_level(task.analysis.deviation) if self.model.normalise else 0.0,
            jobs=network.jobs,
            check=task.reporter.check,
        )

    def _to_model(self, blocks: Iterable[Floats], analysis: Analysis) -> Iterator[Floats]:
        """As the network wants to hear it: stereo, normalised."""
        mean, deviation = np.float32(analysis.mean), np.float32(analysis.deviation)
        for block in blocks:
            stereo = np.broadcast_to(block, (STEREO, block.shape[1]))
            yield (stereo - mean) / deviation if self.model.normalise else stereo

    def _from_model(self, estimates: Iterable[Floats], task: Task) -> Iterator[Floats]:
        """Undoes `_to_model`; for a single channel the mean of both."""
        mean, deviation = np.float32(task.analysis.mean), np.float32(task.analysis.deviation)
        for estimate in estimates:
            if self.model.normalise:
                estimate *= deviation  # in place: nobody else has it, and new memory costs more than the sums
                estimate += mean
            yield estimate.mean(axis=1, keepdims=True) if task.channels == 1 else estimate

    def _as_stems(self, blocks: Iterable[Floats], task: Task, rate: int, width: int) -> Iterator[Floats]:
        """`blocks` (width, n) of `rate` with the rate and the length of the stems."""
        return cut_to(resampled(blocks, rate, task.sample_rate, width), task.samples, width)

    def _report(self, task: Task, part: int, parts: int, share: float) -> None:
        """Tell that network `part` (from 0) of `parts` is through with `share` of the song."""
        done = (part + share) / parts
        task.reporter.report("separating", done * task.seconds, task.seconds)


def _say(part: Part, sources: Sequence[int]) -> tuple[list[int], Floats]:
    """Which of the `sources` a network has a say in, by place, and its weights (that many, 1, 1) for them."""
    rows = [row for row, source in enumerate(sources) if part.weights[source]]
    weights = np.array([part.weights[sources[row]] for row in rows], np.float32)
    return rows, weights[:, None, None]


def _complete(task: Task) -> Iterator[Floats]:
    """The song's blocks. Raises InputError when there are not as many samples as there were the first time."""
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
    """`blocks` (1 or 2, n) as (channels, n): mono on both sides, stereo as the mean of both."""
    for block in blocks:
        if channels == 1:
            yield block.mean(axis=0, keepdims=True)
        else:
            yield np.broadcast_to(block, (channels, block.shape[1]))
