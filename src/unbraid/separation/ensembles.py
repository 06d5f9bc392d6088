"""The stems of an ensemble for a whole song, at its models' rate: its models run one after another.

The estimates of all models but the last are kept on disk: with the mean, as sums; with the other ways of combining, for
each model. The last model's estimates are combined with them as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import read_twice
from unbraid.models import Model
from unbraid.models.catalog import find_entry
from unbraid.models.ensemble import MEAN, Combine, EnsembleMember
from unbraid.separation.estimates import Estimates, plan_steps
from unbraid.separation.overlap import MixtureBuffer
from unbraid.separation.settings import Plan
from unbraid.separation.song import STEREO
from unbraid.separation.spectral_combining import SpectralCombiner
from unbraid.separation.sums import Sums


def count_networks(plan: Plan, sources: Sequence[str]) -> int:
    """Return the number of networks that run for `sources`."""
    return len(relative_times(plan, sources))


def relative_times(plan: Plan, sources: Sequence[str]) -> list[float]:
    """Return the expected time of each network that runs for `sources`, relative to the others.

    The models of an ensemble have the times of the catalogue. If one isn't there, all networks count alike.
    """
    if plan.model.ensemble is None:
        return [1.0] * len(plan_steps(plan.parts, _estimated(plan.model, sources)))
    turns = _turns(plan, sources)
    times = [relative_times(turn.plan, turn.own) for turn in turns]
    speeds = [_speed(turn) for turn in turns]
    known = [speed for speed in speeds if speed is not None]
    if len(known) == len(turns):
        times = [
            [time * speed / sum(each) for time in each] for each, speed in zip(times, known, strict=True)
        ]
    else:
        times = [[1.0] * len(each) for each in times]
    return [time for each in times for time in each]


def _speed(turn: _Turn) -> float | None:
    """Return the seconds of work for one second of song, as the catalogue says; None for other models."""
    if (entry := find_entry(turn.plan.model.name)) is None:
        return None
    every = {*turn.own} >= {*turn.plan.model.sources}
    return entry.speed.all_stems if every else entry.speed.one_stem


def share_of_song(model: Model, source: str) -> float:
    """Return the share of the song in a stem: 1 for the rest of the song, 0 for a network's estimate.

    In an ensemble, it is the weighted mean of the shares in its models. The song minus estimates at the model's rate
    lacks what this rate can't hold; the stem gets its share of that.
    """
    if model.ensemble is None:
        return float(source == model.rest)
    members = [member for member in model.ensemble.members if member.weights.get(source)]
    shares = [share_of_song(member.model, member.stems[source]) for member in members]
    return float(np.average(shares, weights=[member.weights[source] for member in members]))


@dataclass(frozen=True, slots=True)
class _Turn:
    """A model of an ensemble, and the stems that it is needed for."""

    member: EnsembleMember
    plan: Plan
    sources: tuple[str, ...]
    """Their names in the ensemble."""

    @property
    def own(self) -> tuple[str, ...]:
        """Their names in the model."""
        return tuple(self.member.stems[source] for source in self.sources)


def _turns(plan: Plan, sources: Sequence[str]) -> list[_Turn]:
    """Return the models of an ensemble that are needed for `sources`."""
    assert plan.model.ensemble is not None
    turns = []
    for member, own in zip(plan.model.ensemble.members, plan.models, strict=True):
        if wanted := tuple(source for source in sources if member.weights.get(source)):
            turns.append(_Turn(member, own, wanted))
    return turns


def _estimated(model: Model, sources: Sequence[str]) -> Sequence[str]:
    """Return the sources that networks must estimate for `sources`. The rest of the song needs all of them."""
    return model.estimated if model.rest in sources else sources


def stream_model(
    plan: Plan, sources: Sequence[str], song: Iterator[Floats], estimates: Estimates
) -> Generator[Floats]:
    """Yield `sources` of a model or an ensemble, blocks (sources, 2, n). The last network reads `song`.

    `estimates` has what the networks need; it reports networks by their numbers, from 0 on.
    """
    if plan.model.ensemble is not None:
        yield from _stream_ensemble(plan, sources, song, estimates)
        return
    names = _estimated(plan.model, sources)
    steps = plan_steps(plan.parts, names)
    rest = plan.model.rest
    if rest is None or rest not in sources:
        yield from estimates.stream(steps, names, song)
        return
    song, again = read_twice(song)
    mixture, done = MixtureBuffer(STEREO), 0
    with closing(estimates.stream(steps, names, song)) as stream:
        for block in stream:
            until = done + block.shape[-1]
            while mixture.stop < until:
                mixture.append(next(again))
            named = dict(zip(names, block, strict=True))
            named[rest] = mixture.read(done, until - done) - block.sum(axis=0)
            mixture.forget(until)
            yield np.stack([named[source] for source in sources])
            done = until


def _stream_ensemble(
    plan: Plan, sources: Sequence[str], song: Iterator[Floats], estimates: Estimates
) -> Generator[Floats]:
    assert plan.model.ensemble is not None
    turns = _turns(plan, sources)
    if len(turns) == 1:  # only one model has these stems
        yield from stream_model(turns[0].plan, turns[0].own, song, estimates)
        return
    combine = plan.model.ensemble.combine
    kept = len(sources) if combine == MEAN else sum(len(turn.sources) for turn in turns[:-1])
    with Sums(estimates.sums, kept, STEREO, estimates.samples) as sums:
        combined: _Combination
        combined = (
            _Means(sums, sources, turns) if combine == MEAN else _Spectra(sums, sources, turns, combine)
        )
        first = 0
        for turn in turns:
            last = turn is turns[-1]
            networks = count_networks(turn.plan, turn.own)
            with _temporary(estimates.sums) as inner_sums:
                inner = replace(estimates, sums=inner_sums, report=_from(estimates.report, first))
                done = 0
                with closing(
                    stream_model(turn.plan, turn.own, song if last else estimates.song(), inner)
                ) as stream:
                    for block in stream:
                        if last:
                            yield from _not_empty(combined.finish(done, block))
                            done += block.shape[-1]
                        else:
                            combined.keep(turn, done, block)
                            done += block.shape[-1]
                            estimates.report(first + networks - 1, done / estimates.samples)
            first += networks
        yield from _not_empty(combined.end())


def _from(report: Callable[[int, float], None], first: int) -> Callable[[int, float], None]:
    """Return a callback that counts networks from `first` on."""
    return lambda number, share: report(first + number, share)


def _not_empty(block: Floats) -> Iterator[Floats]:
    if block.shape[-1]:
        yield block


@contextmanager
def _temporary(sums: Path | None) -> Iterator[Path | None]:
    """Yield a file for the sums of a model of the ensemble whose own file is `sums`, and remove it."""
    path = None if sums is None else sums.with_suffix(f".model{sums.suffix}")
    try:
        yield path
    finally:
        if path is not None:
            with suppress(OSError):  # the work folder is removed later
                path.unlink(missing_ok=True)


class _Combination(Protocol):
    """Estimates of several models that are being combined."""

    def keep(self, turn: _Turn, start: int, estimates: Floats) -> None:
        """Keep the estimates (the turn's sources, 2, n) of a model that isn't the last, from sample `start` on."""
        ...

    def finish(self, start: int, estimates: Floats) -> Floats:
        """Combine the estimates of the last model with those kept. Return the finished samples: (sources, 2, m)."""
        ...

    def end(self) -> Floats:
        """Return what remains, (sources, 2, m)."""
        ...


class _Means:
    """Weighted means of waveforms, over a file of sums."""

    def __init__(self, sums: Sums, sources: Sequence[str], turns: Sequence[_Turn]) -> None:
        self._sums = sums
        self._rows = {source: row for row, source in enumerate(sources)}
        self._last = turns[-1]
        weights = [{source: turn.member.weights[source] for source in turn.sources} for turn in turns]
        self._totals = {source: sum(one.get(source, 0.0) for one in weights) for source in sources}

    def keep(self, turn: _Turn, start: int, estimates: Floats) -> None:
        """See `_Combination`."""
        weights = np.array([turn.member.weights[one] / self._totals[one] for one in turn.sources], np.float32)
        rows = [self._rows[source] for source in turn.sources]
        self._sums.add(start, rows, estimates * weights[:, None, None])

    def finish(self, start: int, estimates: Floats) -> Floats:
        """See `_Combination`."""
        means = np.stack([self._sums.read(start, estimates.shape[-1], row) for row in self._rows.values()])
        for source, estimate in zip(self._last.sources, estimates, strict=True):
            weight = np.float32(self._last.member.weights[source] / self._totals[source])
            means[self._rows[source]] += weight * estimate
        return means

    def end(self) -> Floats:
        """See `_Combination`."""
        return np.zeros((len(self._rows), STEREO, 0), np.float32)


class _Spectra:
    """Combinations of spectra, over a file with the estimates of every model."""

    def __init__(
        self, estimates: Sums, sources: Sequence[str], turns: Sequence[_Turn], combine: Combine
    ) -> None:
        self._kept = estimates
        self._last = turns[-1]
        places = [(id(turn), source) for turn in turns[:-1] for source in turn.sources]
        self._rows = {place: row for row, place in enumerate(places)}
        self._rows_of = {
            source: [self._rows[id(turn), source] for turn in turns[:-1] if source in turn.sources]
            for source in sources
        }
        self._combiners = {
            source: SpectralCombiner(
                combine,
                [turn.member.weights[source] for turn in turns if source in turn.sources],
                STEREO,
            )
            for source in sources
        }

    def keep(self, turn: _Turn, start: int, estimates: Floats) -> None:
        """See `_Combination`."""
        self._kept.add(start, [self._rows[id(turn), source] for source in turn.sources], estimates)

    def finish(self, start: int, estimates: Floats) -> Floats:
        """See `_Combination`."""
        finished = []
        for source, combiner in self._combiners.items():
            found = [self._kept.read(start, estimates.shape[-1], row) for row in self._rows_of[source]]
            if source in self._last.sources:
                found.append(estimates[self._last.sources.index(source)])
            finished.append(combiner.add(np.stack(found)))
        return np.stack(finished)

    def end(self) -> Floats:
        """See `_Combination`."""
        return np.stack([combiner.finish() for combiner in self._combiners.values()])
