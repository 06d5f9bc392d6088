"""Separate a part of a song so that it equals the same part of the whole song's stems.

The mean and deviation are those of the whole song, and the segments lie on the same grid. Only segments that overlap
the part are computed. The samples around it are read as the context of these segments and of the filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, lcm

from unbraid.audio.arrays import Floats
from unbraid.audio.resample import resampled_length
from unbraid.audio.times import TimeRange
from unbraid.models.ensemble import MEAN
from unbraid.separation.estimates import plan_steps
from unbraid.separation.overlap import Window
from unbraid.separation.pipeline import Cut, Task
from unbraid.separation.settings import Plan
from unbraid.separation.song import Song
from unbraid.separation.spectral_combining import HOP, N_FFT

# Context for the resampler's filter, whose effect has ended then.
FILTER_S = 0.25


class CutSong:
    """The samples of `song` from `first` on, up to `stop`."""

    def __init__(self, song: Song, first: int, stop: int, samples: int) -> None:
        self.name, self.sample_rate, self.channels = song.name, song.sample_rate, song.channels
        self.claimed_samples: int | None = stop - first
        self.warnings = song.warnings
        self._song = song
        # The rest of the song isn't read. At its end, reading goes on, to notice that the file has grown.
        self._first, self._stop = first, None if stop == samples else stop

    def blocks(self) -> Iterator[Floats]:
        """See `Song.blocks`."""
        position = 0
        for block in self._song.blocks():
            begin = max(0, self._first - position)
            end = block.shape[1] if self._stop is None else min(block.shape[1], self._stop - position)
            position += block.shape[1]
            if begin < end:
                yield block[:, begin:end]
            if self._stop is not None and position >= self._stop:
                return


def cut_task(task: Task, part: TimeRange | None, plan: Plan) -> Task:
    """Return the task for a part of the song (None: the whole song). Raises InputError if the song has no such part."""
    if part is None:
        return task
    analysis, rate, model_rate = task.analysis, task.song.sample_rate, plan.model.sample_rate
    start, end, warnings = part.samples(analysis.samples, rate, task.song.name)
    keep = tuple(resampled_length(sample, rate, task.sample_rate) for sample in (start, end))
    keep = keep[0], max(keep[1], keep[0] + 1)
    window = _window(task, plan, start, end)
    # The first sample that is read is one at all rates, so that resampling has the same phase as in the whole song.
    step = lcm(*(Fraction(rate, other).numerator for other in (model_rate, task.sample_rate)))
    if _has_spectra(plan):
        step *= HOP
    margin = ceil(FILTER_S * rate)
    first = max(0, window.first * rate // model_rate - margin) // step * step
    stop = min(analysis.samples, ceil(window.end * rate / model_rate) + margin)
    offset, stem_offset = first * model_rate // rate, first * task.sample_rate // rate
    return replace(
        task,
        song=CutSong(task.song, first, stop, analysis.samples),
        analysis=replace(
            analysis,
            samples=stop - first,
            model_samples=max(1, resampled_length(stop - first, rate, model_rate)),
            warnings=(*analysis.warnings, *warnings),
        ),
        cut=Cut(replace(window, first=offset), keep[0] - stem_offset, keep[1] - stem_offset),
    )


def _window(task: Task, plan: Plan, start: int, end: int) -> Window:
    """Return the samples to estimate and to read, at the model's rate."""
    rate, model_rate, samples = task.song.sample_rate, plan.model.sample_rate, task.analysis.model_samples
    if _reads_rest(plan, task.choice.sources):
        # The deviation of what the networks before it leave over is that of the whole song.
        return Window(samples, 0, 0, samples, samples)
    margin = N_FFT if _has_spectra(plan) else 0
    if not rate == model_rate == task.sample_rate:
        margin += ceil(FILTER_S * model_rate)
    lowest = max(0, start * model_rate // rate - margin)
    highest = min(samples, ceil(end * model_rate / rate) + margin)
    window = Window(samples, 0, lowest, max(highest, lowest + 1), samples)
    segments = [
        segment for part in plan.all_parts for run in part.runs for segment in run.segments_within(window)
    ]
    return replace(
        window,
        first=max(0, min(lowest, *(segment.read_start for segment in segments))),
        end=max(highest, *(segment.read_stop for segment in segments)),
    )


def _reads_rest(plan: Plan, sources: Sequence[str]) -> bool:
    """Whether a network that `sources` need reads what the networks before it leave over."""
    if plan.models:
        return any(part.reads_rest for part in plan.all_parts)
    estimated = plan.model.estimated if plan.model.rest in sources else sources
    return any(step.part.reads_rest for step in plan_steps(plan.parts, estimated))


def _has_spectra(plan: Plan) -> bool:
    """Whether estimates are combined in the spectrum, whose frames lie on a grid."""
    ensemble = plan.model.ensemble
    return (ensemble is not None and ensemble.combine != MEAN) or any(map(_has_spectra, plan.models))
