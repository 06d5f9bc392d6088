"""The second pass over a song: read its blocks, run the networks, and write stems at the chosen rate and channels."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import read_twice, resampled
from unbraid.audio.resample import resampled_length
from unbraid.errors import InputError
from unbraid.models import Model
from unbraid.separation.beyond_rate import BeyondRate
from unbraid.separation.compute_lock import ComputeLock
from unbraid.separation.ensembles import relative_times, share_of_song, stream_model
from unbraid.separation.estimates import Estimates
from unbraid.separation.network import NetworkCache
from unbraid.separation.overlap import MixtureBuffer, Window
from unbraid.separation.progress import Reporter
from unbraid.separation.recipe import model_version
from unbraid.separation.settings import Plan
from unbraid.separation.song import STEREO, Analysis, Song, cut_to
from unbraid.separation.stems import StemChoice
from unbraid.separation.writers import StemWriter


@dataclass(frozen=True, slots=True)
class Cut:
    """Place of the stems within the samples that are read; see `unbraid.separation.song_range`."""

    window: Window
    start: int
    """First sample of the stems, at their rate, from the first sample that is read."""
    stop: int


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
    cut: Cut | None = None
    """Part of the song that the stems are; None: all of it."""

    @property
    def read_samples(self) -> int:
        """Number of samples that are read, at the rate of the stems."""
        return max(1, resampled_length(self.analysis.samples, self.song.sample_rate, self.sample_rate))

    @property
    def samples(self) -> int:
        """Length of the stems in samples."""
        return self.read_samples if self.cut is None else self.cut.stop - self.cut.start

    @property
    def seconds(self) -> float:
        """Length of the stems in seconds."""
        if self.cut is not None:
            return self.samples / self.sample_rate
        return self.analysis.samples / self.song.sample_rate


@dataclass(frozen=True)
class Pipeline:
    """A model, or an ensemble, with the runs of its networks."""

    plan: Plan
    networks: NetworkCache
    compute_lock: ComputeLock = field(default_factory=ComputeLock)

    @property
    def model(self) -> Model:
        """The model or the ensemble."""
        return self.plan.model

    @cached_property
    def version(self) -> str:
        """Version of the model, for records."""
        return model_version(self.model)

    def separate(self, task: Task, writer: StemWriter) -> None:
        """Separate the song into `writer`, and finish the writer."""
        with self.compute_lock.hold(task.reporter.check), closing(self._stems(task)) as blocks:
            for block in blocks:
                writer.write(block)
        writer.finish(
            lambda written: task.reporter.report(
                "writing", written / task.samples * task.seconds, task.seconds
            )
        )

    def stream(self, task: Task) -> Generator[Floats]:
        """Yield the stems as they become final, blocks (stems, channels, n).

        Between two blocks, other songs may compute. Closing the generator stops the work.
        """
        with closing(self._stems(task)) as blocks:
            while True:
                with self.compute_lock.hold(task.reporter.check):
                    block = next(blocks, None)
                if block is None:
                    return
                yield block

    def _stems(self, task: Task) -> Generator[Floats]:
        """Yield the stems, blocks (stems, channels, n)."""
        with closing(self._all_stems(task)) as blocks:
            if task.cut is None:
                yield from blocks
                return
            position = 0
            for block in blocks:
                begin = max(0, task.cut.start - position)
                kept = block[..., begin : max(begin, task.cut.stop - position)]
                position += block.shape[-1]
                if kept.shape[-1]:
                    yield kept
                if position >= task.cut.stop:
                    return

    def _all_stems(self, task: Task) -> Generator[Floats]:
        """Yield the stems of all samples that are read, blocks (stems, channels, n)."""
        chosen = task.choice.sources
        blocks: Iterator[Floats] = _song_blocks(task)
        if not chosen:
            yield from self._without_networks(task, blocks)
            return
        rest_source = self.model.rest
        estimated: Sequence[str] = chosen
        if rest_source in chosen:
            estimated = [source for source in self.model.sources if source != rest_source]
        mixture = MixtureBuffer(task.channels)
        at_stem_rate: Iterator[Floats] = iter(())
        needs_mixture = task.choice.needs_mixture or rest_source in chosen
        blocks, beyond = self._beyond(task, chosen, blocks)
        if needs_mixture:
            blocks, blocks_again = read_twice(blocks)
            at_stem_rate = self._song_at_stem_rate(task, blocks_again)
        times = relative_times(self.plan, estimated)
        self._report(task, times, 0, 0.0)
        done = 0
        with closing(self._estimates(task, times, estimated, blocks)) as estimates:
            for block in estimates:
                if beyond is not None:
                    block = beyond.add(block)
                until = done + block.shape[-1]
                while needs_mixture and mixture.stop < until:
                    mixture.append(next(at_stem_rate))
                song = mixture.read(done, until - done)
                if rest_source in chosen:
                    named = dict(zip(estimated, block, strict=True))
                    named[rest_source] = song - block.sum(axis=0)
                    block = np.stack([named[source] for source in chosen])
                mixture.forget(until)
                done = until
                self._report(task, times, len(times) - 1, done / task.read_samples)
                yield task.choice.finish(block, song)

    def _without_networks(self, task: Task, blocks: Iterator[Floats]) -> Generator[Floats]:
        """Yield stems that contain nothing but the song."""
        done = 0
        for song in self._song_at_stem_rate(task, blocks):
            done += song.shape[-1]
            self._report(task, [1.0], 0, done / task.read_samples)
            yield task.choice.finish(np.zeros((0, *song.shape), np.float32), song)

    def _song_at_stem_rate(self, task: Task, blocks: Iterator[Floats]) -> Iterator[Floats]:
        """Convert blocks of the song to the rate and the channels of the stems."""
        return self._to_stem_rate(
            _to_channels(blocks, task.channels), task, task.song.sample_rate, task.channels
        )

    def _estimates(
        self, task: Task, times: Sequence[float], sources: Sequence[str], blocks: Iterator[Floats]
    ) -> Generator[Floats]:
        """Yield estimates (sources, channels, n) at the stems' rate and channels. The last network reads `blocks`."""
        estimates = Estimates(
            self.networks,
            lambda: self._at_model_rate(task, _song_blocks(task)),
            task.analysis.model_samples,
            task.analysis.normalisation,
            task.sums,
            task.reporter.check,
            lambda network, share: self._report(task, times, network, share),
            None if task.cut is None else task.cut.window,
        )
        with closing(
            stream_model(self.plan, sources, self._at_model_rate(task, blocks), estimates)
        ) as stream:
            # The resampler knows only channels, so pass the channels of all sources side by side.
            mono = task.channels == 1
            flat = ((block.mean(axis=1) if mono else block.reshape(-1, block.shape[-1])) for block in stream)
            width = len(sources) * task.channels
            for block in self._to_stem_rate(flat, task, self.model.sample_rate, width):
                yield block.reshape(len(sources), task.channels, -1)

    def _at_model_rate(self, task: Task, blocks: Iterator[Floats]) -> Iterator[Floats]:
        """Convert blocks of the song to stereo (2, n) at the model's rate."""
        song, samples = task.song, task.analysis.model_samples
        stream = resampled(blocks, song.sample_rate, self.model.sample_rate, song.channels)
        for block in cut_to(stream, samples, song.channels):
            yield np.broadcast_to(block, (STEREO, block.shape[1]))

    def _beyond(
        self, task: Task, sources: Sequence[str], blocks: Iterator[Floats]
    ) -> tuple[Iterator[Floats], BeyondRate | None]:
        """Return `blocks` of the song, and what an ensemble's stems need of it beyond the model's rate, if anything."""
        song, channels = task.song, task.channels
        shares = np.array([share_of_song(self.model, source) for source in sources], np.float32)
        if self.model.ensemble is None or song.sample_rate == self.model.sample_rate or not shares.any():
            return blocks, None
        blocks, again = read_twice(blocks)
        whole, held = read_twice(again)
        at_model_rate = _to_channels(self._at_model_rate(task, held), channels)
        return blocks, BeyondRate(
            shares,
            channels,
            self._to_stem_rate(_to_channels(whole, channels), task, song.sample_rate, channels),
            self._to_stem_rate(at_model_rate, task, self.model.sample_rate, channels),
        )

    def _to_stem_rate(self, blocks: Iterable[Floats], task: Task, rate: int, width: int) -> Iterator[Floats]:
        """Convert `blocks` (width, n) at `rate` to the rate and the length of the stems."""
        return cut_to(resampled(blocks, rate, task.sample_rate, width), task.read_samples, width)

    def _report(self, task: Task, times: Sequence[float], network: int, share: float) -> None:
        """Report that a network (its number, from 0) has processed the fraction `share` of the song.

        `times` are the expected times of all networks, in any unit.
        """
        done = (sum(times[:network]) + share * times[network]) / sum(times)
        task.reporter.report("separating", done * task.seconds, task.seconds)


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
