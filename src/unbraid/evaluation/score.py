"""Scores of one song's stems, and of many songs together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np

from unbraid.errors import InputError
from unbraid.evaluation.bsseval import BssEval, bsseval_v4
from unbraid.evaluation.multitrack import COMPLEMENT_PREFIX, Floats, Multitrack, display_order, fit
from unbraid.evaluation.sdr import EPSILON, sdr

# A reference in which no sample exceeds this is silence: three steps of 16 bit, what dither and lossy coding leave.
SILENCE = 1e-4  # of full scale: -80 dB


@dataclass(frozen=True, slots=True)
class StemScore:
    """Of one stem in one song, in dB."""

    sdr: float | None
    """None where the reference is silent: the ratio has no meaning there."""
    level_db: float | None
    """Of the estimate against the mixture, where the reference is silent: the lower the better."""
    bsseval: BssEval | None = None


@dataclass(frozen=True, slots=True)
class SongScore:
    """Of one song: a score for each stem in the order they are shown."""

    stems: Mapping[str, StemScore]
    mean_sdr: float | None
    """Over the stems that make up the reference; None where the estimate lacks some, or all are silent."""
    warnings: tuple[str, ...] = ()


def score_song(reference: Multitrack, estimate: Multitrack, bsseval: bool = False) -> SongScore:
    """Score the stems that both have.

    `no_X` is compared with the sum of the reference's stems but X; an estimate that has all of those, and X, but
    no `no_X`, gets it as their sum for X = vocals. Raises InputError where there is nothing to compare.
    """
    reference, estimate, warnings = fit(reference, estimate)
    stems = _with_accompaniment(reference, estimate)
    targets: dict[str, Floats] = {}
    for name in display_order(stems):
        target = reference.target(name)
        if target is not None:
            targets[name] = target
    unknown = [name for name in stems if name not in targets]
    if not targets:
        raise InputError(
            f"has no stem in common with its estimate: {', '.join(reference.stems)}; "
            f"{', '.join(stems)}. Name the files of both alike.",
            subject=reference.name,
        )
    if unknown:
        warnings.append(f"{reference.name} has no {', '.join(unknown)} to compare the estimate with.")
    sounding = [name for name, target in targets.items() if np.abs(target).max() > SILENCE]
    ratios = _bsseval(reference, targets, stems, sounding) if bsseval else {}
    scores = {
        name: StemScore(sdr(target, stems[name]), None, ratios.get(name))
        if name in sounding
        else StemScore(None, _level_db(stems[name], reference.mixture))
        for name, target in targets.items()
    }
    return SongScore(scores, _mean_sdr(reference, scores), tuple(warnings))


def _with_accompaniment(reference: Multitrack, estimate: Multitrack) -> dict[str, Floats]:
    stems = dict(estimate.stems)
    accompaniment = COMPLEMENT_PREFIX + "vocals"
    if "vocals" in reference.stems and accompaniment not in stems and len(reference.stems) > 1:
        others = [name for name in reference.parts if name != "vocals"]
        if "vocals" in stems and all(name in stems for name in others):
            stems[accompaniment] = np.sum([stems[name] for name in others], axis=0)
    return stems


def _level_db(estimate: Floats, mixture: Floats) -> float:
    energies = [float(np.sum(np.square(x, dtype=np.float64))) + EPSILON for x in (estimate, mixture)]
    return 10 * math.log10(energies[0] / energies[1])


def _mean_sdr(reference: Multitrack, scores: Mapping[str, StemScore]) -> float | None:
    if len(reference.stems) < 2 or not all(name in scores for name in reference.parts):
        return None
    values = [scores[name].sdr for name in reference.parts]
    return mean_of(values)


def _bsseval(
    reference: Multitrack, targets: Mapping[str, Floats], stems: Mapping[str, Floats], sounding: Sequence[str]
) -> dict[str, BssEval]:
    """Stems against one another; a complement against the stem it lacks. A silent estimate has no ratios."""
    names = [name for name in sounding if np.abs(stems[name]).max() > 0]
    groups = [[name for name in names if not name.startswith(COMPLEMENT_PREFIX)]]
    for name in names:
        if name.startswith(COMPLEMENT_PREFIX):
            without = name.removeprefix(COMPLEMENT_PREFIX)
            groups.append([name, without] if without in names else [name])
    scores: dict[str, BssEval] = {}
    for group in groups:
        if any(set(group) < set(other) for other in groups) or not group:
            continue
        found = bsseval_v4(
            {name: targets[name] for name in group},
            {name: stems[name] for name in group},
            reference.mixture,
            reference.sample_rate,
        )
        scores = {**found, **scores}
    return scores


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean of those that are there."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def median_of(values: Sequence[float | None]) -> float | None:
    """Median of those that are there."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Of many songs: for each stem the mean and the median over the songs in which it can be scored."""

    songs: int
    mean_sdr: Mapping[str, float | None]
    median_sdr: Mapping[str, float | None]
    mean_level_db: Mapping[str, float | None]
    median_bsseval: Mapping[str, BssEval]
    mean: float | None
    """Of the songs' means over their stems, which is how the challenge ranks."""
    median: float | None


def summarise(scores: Sequence[SongScore]) -> Summary:
    """Summary of the songs of one contender."""
    names = display_order({name for score in scores for name in score.stems})
    columns = {name: [score.stems[name] for score in scores if name in score.stems] for name in names}
    ratios = {name: [s.bsseval for s in column if s.bsseval] for name, column in columns.items()}
    means = [score.mean_sdr for score in scores]
    return Summary(
        songs=len(scores),
        mean_sdr={name: mean_of([s.sdr for s in column]) for name, column in columns.items()},
        median_sdr={name: median_of([s.sdr for s in column]) for name, column in columns.items()},
        mean_level_db={name: mean_of([s.level_db for s in column]) for name, column in columns.items()},
        median_bsseval={
            name: BssEval(
                sdr=median_of([r.sdr for r in column]),
                isr=median_of([r.isr for r in column]),
                sir=median_of([r.sir for r in column]),
                sar=median_of([r.sar for r in column]),
            )
            for name, column in ratios.items()
            if column
        },
        mean=mean_of(means),
        median=median_of(means),
    )
