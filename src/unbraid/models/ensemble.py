"""Compose an ensemble: several models whose estimates of the same stem are combined.

The names of stems mean different things in different models. `other` of a model for vocals is everything but the
vocals; `other` of a model for four stems is what drums, bass and vocals leave. An ensemble combines only stems of the
same meaning. docs/ensembles.md has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

from unbraid.audio.stem_names import ALL, COMPLEMENT_PREFIX, VOCALS
from unbraid.errors import SettingError

if TYPE_CHECKING:
    from unbraid.models.folder import Model

Combine = Literal["mean", "median", "max", "min"]
COMBINE: tuple[Combine, ...] = get_args(Combine)
MEAN: Combine = "mean"
SELECTIONS = ("max", "min")
"""Ways of combining that take the estimate of one model."""

Weights = Sequence[float] | Mapping[str, Sequence[float]]
"""One number for each model, in order; or that by stem, and under ALL for the stems that aren't listed."""

SEPARATOR = "+"
"""Between the models of an ensemble, as users type it."""

HEAVIEST = 1e6  # a larger weight is a typing error, and its sums would lose precision

UNKNOWN = "unknown"
NO_LICENCE = (UNKNOWN, "not stated")

OTHER = "other"
# Stems of MUSDB18 beside `other`. Networks for `other` alone are trained on that `other`.
MUSDB = frozenset(("drums", "bass", VOCALS))
# Other names of the song without its vocals.
INSTRUMENTAL = ("instrumental", "accompaniment")

Meaning = str | frozenset[str]
"""What a stem contains: the sound of that name, or the song without the sounds of these names."""


@dataclass(frozen=True, slots=True)
class EnsembleMember:
    """A model of an ensemble."""

    model: Model
    stems: Mapping[str, str]
    """The model's own name of each stem of the ensemble that it separates."""
    weights: Mapping[str, float]
    """Its weight for each of these stems; 0: it doesn't take part."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The models of an ensemble, and how their estimates of a stem are combined."""

    members: tuple[EnsembleMember, ...]
    combine: Combine


def split_name(name: str, known: Callable[[str], bool]) -> list[str]:
    """Return the models that `name` lists: `a+b` gives a and b, and a name without `+` itself.

    `known` tells whether a text is one model, such as the path of an existing file whose name contains a plus sign.
    Raises SettingError if a model is missing.

    >>> split_name("a+c++.onnx", {"c++.onnx"}.__contains__)
    ['a', 'c++.onnx']
    """
    if known(name):
        return [name]
    pieces, names = name.split(SEPARATOR), []
    while pieces:
        joined = (SEPARATOR.join(pieces[:count]) for count in range(len(pieces), 1, -1))
        found = next(filter(known, joined), pieces[0])
        if not found:
            raise SettingError(f"A model is missing in {name!r}. Write an ensemble as htdemucs+mdx_voc_ft.")
        names.append(found)
        del pieces[: found.count(SEPARATOR) + 1]
    return names


def compose(models: Sequence[Model], combine: str = MEAN, weights: Weights | None = None) -> Model:
    """Return the ensemble of these models. Its stems are those of `common_stems`.

    Raises ValueError, with the rest of a sentence, if they form none.
    """
    if len(models) < 2:
        raise ValueError("it needs two or more models")
    for place, model in enumerate(models):
        if model.folder in [other.folder for other in models[:place]]:
            raise ValueError(f"{model.name} is in it twice")
        if model.sample_rate != models[0].sample_rate:
            raise ValueError(
                f"{models[0].name} works at {models[0].sample_rate} Hz, and {model.name} at {model.sample_rate} Hz"
            )
    stems, by_stem = check_ensemble(
        [model.name for model in models], [model.sources for model in models], combine, weights
    )
    members = tuple(
        EnsembleMember(
            model,
            {stem: own for stem, names in stems.items() if (own := names[place]) is not None},
            {stem: by_stem[stem][place] for stem, names in stems.items() if names[place] is not None},
        )
        for place, model in enumerate(models)
    )
    return replace(
        models[0],
        name=SEPARATOR.join(model.name for model in models),
        version=SEPARATOR.join(model.version for model in models),
        sources=tuple(stems),
        segment=min(model.segment for model in models),
        licence=licence_of([model.licence for model in models]),
        members=(),
        rest=None,
        ensemble=Ensemble(members, checked_combine(combine)),
    )


def check_ensemble(
    names: Sequence[str], sources: Sequence[Sequence[str]], combine: str, weights: Weights | None
) -> tuple[dict[str, tuple[str | None, ...]], dict[str, list[float]]]:
    """Return the `common_stems` of models with these names and stems, and the weight of each model for each of them.

    Raises ValueError, with the rest of a sentence, if they form no ensemble, and SettingError for an unknown `combine`.
    """
    stems = common_stems(names, sources)
    return stems, _checked_weights(weights, stems, len(names), checked_combine(combine))


def adjusted(model: Model, combine: str | None = None, weights: Weights | None = None) -> Model:
    """Return an ensemble with another way of combining, or other weights. Raises SettingError.

    None keeps the ensemble's own. Any other model is returned if both are None.
    """
    if combine is None and weights is None:
        return model
    if model.ensemble is None:
        raise single(model.name)
    members = model.ensemble.members
    if weights is None:
        weights = {stem: [member.weights.get(stem, 0.0) for member in members] for stem in model.sources}
    try:
        composed = compose([member.model for member in members], combine or model.ensemble.combine, weights)
    except ValueError as error:
        raise unusable(model.name, error) from error
    return replace(composed, name=model.name, version=model.version, folder=model.folder)


def single(name: str) -> SettingError:
    """Return the error of options for ensembles with another model."""
    return SettingError(
        f"{name} is a single model. combine and weights are for ensembles, such as htdemucs+mdx_voc_ft."
    )


def unusable(name: str, error: ValueError) -> SettingError:
    """Return the error of an ensemble that `compose` rejects."""
    return SettingError(f"The ensemble {name} can't be used: {error}.")


def checked_combine(combine: str) -> Combine:
    """Return `combine` if it is a way of combining. Raises SettingError."""
    for way in COMBINE:
        if combine == way:
            return way
    raise SettingError(f"There is no way to combine models called {combine!r}. Choose {', '.join(COMBINE)}.")


def common_stems(names: Sequence[str], sources: Sequence[Sequence[str]]) -> dict[str, tuple[str | None, ...]]:
    """Return the stems of an ensemble: for each, every model's own name of it, None where the model hasn't got it.

    These are all stems of all models, except rests of the song (`other`, `no_vocals`) that contain a stem of another
    model. `sources` are the stems of the models with these `names`. Raises ValueError if a model shares no stem.
    """
    found: dict[Meaning, dict[int, str]] = {}
    for place, stems in enumerate(sources):
        for stem in stems:
            found.setdefault(_meaning(stem, stems), {})[place] = stem
    sounds = {meaning for meaning in found if isinstance(meaning, str)}
    kept = {
        _name_of(meaning): tuple(own.get(place) for place in range(len(sources)))
        for meaning, own in found.items()
        if isinstance(meaning, str) or sounds <= meaning
    }
    shared = [own for own in kept.values() if len(own) - own.count(None) > 1]
    for place, name in enumerate(names):
        if all(own[place] is None for own in shared):
            others = " and ".join(other for other in names if other != name)
            raise ValueError(f"{name} has no stem in common with {others}")
    return kept


def _meaning(stem: str, stems: Sequence[str]) -> Meaning:
    """Return what a stem of a model with these `stems` contains."""
    others = frozenset(stems) - {stem}
    if stem == OTHER:
        return MUSDB if others == {COMPLEMENT_PREFIX + OTHER} else others
    if stem in INSTRUMENTAL and others == {VOCALS}:
        return others
    if stem.startswith(COMPLEMENT_PREFIX) and others == {stem.removeprefix(COMPLEMENT_PREFIX)}:
        return others
    return stem


def _name_of(meaning: Meaning) -> str:
    if isinstance(meaning, str):
        return meaning
    return COMPLEMENT_PREFIX + "".join(meaning) if len(meaning) == 1 else OTHER


def licence_of(licences: Sequence[str]) -> str:
    """Return the licence of several models together: their licences, or unknown if one is unknown."""
    if any(licence in NO_LICENCE for licence in licences):
        return UNKNOWN
    return "; ".join(dict.fromkeys(licences))


def _checked_weights(
    weights: Weights | None,
    stems: Mapping[str, Sequence[str | None]],
    models: int,
    combine: Combine,
) -> dict[str, list[float]]:
    """Return the weight of each model for each stem. Raises ValueError."""
    listed = weights if isinstance(weights, Mapping) else {} if weights is None else {ALL: weights}
    if unknown := [str(stem) for stem in listed if stem not in (ALL, *stems)]:
        raise ValueError(f"it has no stem {unknown[0]} for a weight; it has {', '.join(stems)}")
    checked = {stem: _numbers(numbers, models, combine) for stem, numbers in listed.items()}
    default = checked.get(ALL, [1.0] * models)
    by_stem = {stem: checked.get(stem, default) for stem in stems}
    for stem, names in stems.items():
        if not any(weight for weight, own in zip(by_stem[stem], names, strict=True) if own is not None):
            raise ValueError(f"all weights for {stem} are 0")
    return by_stem


def _numbers(numbers: Sequence[float], count: int, combine: Combine) -> list[float]:
    if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) != count:
        raise ValueError(f"weights must be {count} numbers, one for each model, not {numbers!r}")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, Real):
            raise ValueError(f"a weight must be a number, not {number!r}")
        if not 0 <= number <= HEAVIEST:  # also if it is NaN
            raise ValueError(f"a weight must be 0 or more, and at most {HEAVIEST:g}, not {number!s:.20}")
        if combine in SELECTIONS and number not in (0, 1):
            raise ValueError(f"with {combine}, a weight is 0 (without the model) or 1, not {number!s:.20}")
    return [float(number) for number in numbers]
