"""Score a taught model on the songs that were held out, and keep it with its card, or apart if it isn't better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unbraid.errors import InputError, ModelError
from unbraid.evaluation.contenders import MIXTURE as UNCHANGED
from unbraid.evaluation.contenders import Contender, baselines, model
from unbraid.evaluation.multitrack import Multitrack
from unbraid.evaluation.score import score_song, summarise

BETTER_DB = 0.05  # mean over the stems; less is chance
MIXTURE = "the song itself as every stem"

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Result:
    """A taught model."""

    name: str
    folder: Path
    better: bool
    before: Scores
    after: Scores
    compared_with: str
    """What has the scores `before`: the model that it began with, or `MIXTURE` if that has none of the stems."""
    card: Mapping[str, Any]


def result_of(folder: Path, card: Mapping[str, Any]) -> Result:
    """Return the result in a model folder, from its card. Raises ModelError if the card isn't that of a result."""
    try:
        scores = card["sdr_db"]
        return Result(
            folder.name,
            folder,
            card["better"],
            scores["before"],
            scores["after"],
            scores["compared_with"],
            card,
        )
    except (KeyError, TypeError) as error:
        raise ModelError("has no scores. Train again.", subject=str(folder)) from error


def scores_of(contender: Contender, songs: Sequence[Multitrack]) -> Scores:
    """Mean SDR in dB of each stem over whole songs; empty if the contender has none of the stems."""
    try:
        scores = [score_song(song, contender.separate(song)) for song in songs]
    except InputError:
        return {}
    means = summarise(scores).mean_sdr
    return {name: None if value is None else round(value, 2) for name, value in means.items()}


def compare(base: str, folder: Path, songs: Sequence[Multitrack]) -> tuple[Scores, Scores, str, bool]:
    """Score the model that the new one began with, and the new one in `folder`.

    Return the scores before and after, what has the scores before, and whether the new model is better. `songs` have
    the stems of the new model.
    """
    stems = set(songs[0].stems)
    after = _only(scores_of(model(str(folder)), songs), stems)
    before, compared_with = _only(scores_of(model(base), songs), stems), base
    if not stems <= before.keys():
        mixture = next(contender for contender in baselines() if contender.name == UNCHANGED)
        # Stems that the first model lacks are compared with the mixture.
        before, compared_with = {**_only(scores_of(mixture, songs), stems), **before}, MIXTURE
    gain = gain_db(before, after)
    return before, after, compared_with, gain is not None and gain > BETTER_DB


def gain_db(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> float | None:
    """Return the mean difference of the scores of the stems that both have; None if there are none."""
    both = [
        (old, new) for name, new in after.items() if (old := before.get(name)) is not None and new is not None
    ]
    return sum(new - old for old, new in both) / len(both) if both else None


def _only(scores: Scores, stems: set[str]) -> Scores:
    return {name: value for name, value in scores.items() if name in stems}
