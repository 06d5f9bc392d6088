"""Score the stems of one song, and summarise the scores of many songs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.errors import InputError
from unbraid.evaluation.bsseval import BssEval, bsseval_v4
from unbraid.evaluation.multitrack import Multitrack, display_order, fit
from unbraid.evaluation.sdr import EPSILON, sdr

# A reference is silent if no sample exceeds this fraction of full scale (-80 dB): three steps of 16 bits, for dither
# and coding noise.
SILENCE = 1e-4


@dataclass(frozen=True, slots=True)
class StemScore:
    """Scores of one stem of one song, in dB."""

    sdr: float | None
    """None if the reference is silent: the ratio then has no meaning."""
    level_db: float | None
    """Level of the estimate relative to the mixture if the reference is silent, else None. Lower is better."""
    bsseval: BssEval | None = None


@dataclass(frozen=True, slots=True)
class SongScore:
    """Scores of one song's stems, in display order."""

    stems: Mapping[str, StemScore]
    mean_sdr: float | None
    """Mean over the stems that make up the reference; None if the estimate lacks one, or all are silent."""
    warnings: tuple[str, ...] = ()


def score_song(reference: Multitrack, estimate: Multitrack, bsseval: bool = False) -> SongScore:
    """Score the stems that reference and estimate have in common.

    `no_X` is compared with the sum of the reference's stems except X. If the estimate has all stems but no
    `no_vocals`, the sum of its other stems is scored as `no_vocals`. Raises InputError if no stem can be compared.
    """
    reference, estimate, warnings = fit(reference, estimate)
    stems = _with_accompaniment(reference, estimate)
    targets: dict[str, Floats] = {}
    for name in display_order(stems):
        target = reference.target(name)
        if target is not None:
            targets[name] = target
    unmatched = [name for name in stems if name not in targets]
    if not targets:
        raise InputError(
            f"has no stem in common with its estimate: {', '.join(reference.stems)}; "
            f"{', '.join(stems)}. Use the same file names for both.",
            subject=reference.name,
        )
    if unmatched:
        warnings.append(f"{reference.name} has no {', '.join(unmatched)} to compare the estimate with.")
    audible = [name for name, target in targets.items() if np.abs(target).max() > SILENCE]
    ratios = _bsseval(reference, targets, stems, audible) if bsseval else {}
    scores = {
        name: StemScore(sdr(target, stems[name]), None, ratios.get(name))
        if name in audible
        else StemScore(None, _level_db(stems[name], reference.mixture))
        for name, target in targets.items()
    }
    return SongScore(scores, _mean_sdr(reference, scores), tuple(warnings))


def _with_accompaniment(reference: Multitrack, estimate: Multitrack) -> dict[str, Floats]:
    """Add `no_vocals`, the sum of the other stems, to the estimate's stems if only that stem is missing."""
    stems = dict(estimate.stems)
    accompaniment = COMPLEMENT_PREFIX + "vocals"
    if "vocals" in reference.stems and accompaniment not in stems and len(reference.stems) > 1:
        others = [name for name in reference.parts if name != "vocals"]
        if "vocals" in stems and all(name in stems for name in others):
            stems[accompaniment] = np.sum([stems[name] for name in others], axis=0)
    return stems


def _level_db(estimate: Floats, mixture: Floats) -> float:
    """Return the energy of the estimate relative to the mixture, in dB."""
    energies = [float(np.sum(np.square(x, dtype=np.float64))) + EPSILON for x in (estimate, mixture)]
    return 10 * math.log10(energies[0] / energies[1])


def _mean_sdr(reference: Multitrack, scores: Mapping[str, StemScore]) -> float | None:
    if len(reference.stems) < 2 or not all(name in scores for name in reference.parts):
        return None
    values = [scores[name].sdr for name in reference.parts]
    return mean_of(values)


def _bsseval(
    reference: Multitrack, targets: Mapping[str, Floats], stems: Mapping[str, Floats], audible: Sequence[str]
) -> dict[str, BssEval]:
    """Score the stems against one another, and each complement against its stem. Silent estimates are left out."""
    names = [name for name in audible if np.abs(stems[name]).max() > 0]
    groups = [[name for name in names if not name.startswith(COMPLEMENT_PREFIX)]]
    for name in names:
        if name.startswith(COMPLEMENT_PREFIX):
            without = name.removeprefix(COMPLEMENT_PREFIX)
            groups.append([name, without] if without in names else [name])
    scores: dict[str, BssEval] = {}
    for group in groups:
        if any(set(group) < set(other) for other in groups) or not group:
            continue
        group_scores = bsseval_v4(
            {name: targets[name] for name in group},
            {name: stems[name] for name in group},
            reference.mixture,
            reference.sample_rate,
        )
        scores = {**group_scores, **scores}
    return scores


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if there are no such values."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def median_of(values: Sequence[float | None]) -> float | None:
    """Return the median of the values that are not None; None if there are no such values."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Means and medians over songs. Each stem is averaged over the songs in which it has a score."""

    songs: int
    mean_sdr: Mapping[str, float | None]
    median_sdr: Mapping[str, float | None]
    mean_level_db: Mapping[str, float | None]
    median_bsseval: Mapping[str, BssEval]
    mean: float | None
    """Mean of the songs' means over their stems: the ranking criterion of the challenge."""
    median: float | None


def summarise(scores: Sequence[SongScore]) -> Summary:
    """Summarise the songs of one contender."""
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
