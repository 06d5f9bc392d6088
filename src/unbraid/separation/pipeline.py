"""The second pass over a song: its blocks in, finished stems out, at its own rate and with its channels."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from unbraid.errors import InputError
from unbraid.models import Model
from unbraid.separation.arrays import Floats
from unbraid.separation.overlap import MixtureBuffer
from unbraid.separation.progress import Reporter
from unbraid.separation.song import STEREO, Analysis, Song, cut_to, resampled
from unbraid.separation.stems import StemChoice
from unbraid.separation.stream import Run, stream_estimates
from unbraid.separation.writers import StemWriter


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A model, the runs of it through a song, and how many segments are computed at once."""

    model: Model
    runs: Sequence[Run]
    jobs: int

    def separate(
        self, song: Song, analysis: Analysis, choice: StemChoice, writer: StemWriter, reporter: Reporter
    ) -> None:
        """Read `song` and give the chosen stems to `writer`, which is finished at the end."""
        mixture = MixtureBuffer(song.channels)
        done = 0
        with closing(self._estimates(song, analysis, choice, mixture, reporter)) as estimates:
            for block in estimates:
                samples = block.shape[-1]
                writer.write(choice.finish(block, mixture.read(done, samples)))
                done += samples
                mixture.forget(done)
                reporter.report("separating", done, analysis.samples)
        if mixture.stop != analysis.samples:
            raise InputError(f"{song.name} changed while it was being read; try again")
        writer.finish(lambda written: reporter.report("writing", written, analysis.samples))

    def _estimates(
        self,
        song: Song,
        analysis: Analysis,
        choice: StemChoice,
        mixture: MixtureBuffer,
        reporter: Reporter,
    ) -> Generator[Floats]:
        """Blocks (sources, channels, n) as long as the song; `mixture` takes in what is read for them."""
        sources, channels = len(choice.sources), song.channels
        blocks = resampled(_kept(song, mixture), song.sample_rate, self.model.sample_rate, channels)
        heard = self._to_model(cut_to(blocks, analysis.model_samples, channels), analysis)
        stream = stream_estimates(
            heard, analysis.model_samples, self.runs, choice.sources, jobs=self.jobs, check=reporter.check
        )
        with closing(stream):
            # The resampler knows channels only, so the sources' channels stand beside each other for it.
            flat = (part.reshape(-1, part.shape[-1]) for part in self._from_model(stream, analysis, channels))
            back = resampled(flat, self.model.sample_rate, song.sample_rate, sources * channels)
            for block in cut_to(back, analysis.samples, sources * channels):
                yield block.reshape(sources, channels, -1)

    def _to_model(self, blocks: Iterable[Floats], analysis: Analysis) -> Iterator[Floats]:
        """As the network wants to hear it: stereo, normalised."""
        mean, deviation = np.float32(analysis.mean), np.float32(analysis.deviation)
        for block in blocks:
            stereo = np.broadcast_to(block, (STEREO, block.shape[1]))
            yield (stereo - mean) / deviation if self.model.normalise else stereo

    def _from_model(self, estimates: Iterable[Floats], analysis: Analysis, channels: int) -> Iterator[Floats]:
        """Undoes `_to_model`; a mono song gets the mean of both sides."""
        mean, deviation = np.float32(analysis.mean), np.float32(analysis.deviation)
        for estimate in estimates:
            if self.model.normalise:
                estimate = estimate * deviation + mean
            yield estimate.mean(axis=1, keepdims=True) if channels == 1 else estimate


def _kept(song: Song, mixture: MixtureBuffer) -> Iterator[Floats]:
    """The song's blocks, each also appended to `mixture`."""
    for block in song.blocks():
        mixture.append(block)
        yield block
