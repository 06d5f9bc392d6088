"""What is scored: stems in a folder, a model, or a baseline. Each gives the stems of one song after the other."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unbraid.errors import InputError, ModelError, SettingError
from unbraid.evaluation.baselines import BASELINES
from unbraid.evaluation.multitrack import Floats, Multitrack, find_songs, is_song, load


@dataclass(frozen=True)
class Contender:
    """`separate` takes the reference of a song and gives the estimate. It raises InputError for a song it can't do."""

    name: str
    separate: Callable[[Multitrack], Multitrack]


def folder(path: Path, songs: int) -> Contender:
    """Stems that are there, `path` laid out like the reference of so many songs: one of one name for each.

    Where there is but one song, `path` may also be its stems themselves, whatever it is called.
    """
    alone = is_song(path)
    if alone and songs > 1:
        raise SettingError(
            f"is one song, and the reference has {songs}. Give the folder in which each song has its own.",
            subject=str(path),
        )
    places = {_normal(name): place for name, place in find_songs(path).items()}

    def separate(reference: Multitrack) -> Multitrack:
        place = path if alone else places.get(_normal(reference.name))
        if place is None:
            raise InputError(
                f"has no {reference.name}. Name the folders of both sides alike.", subject=str(path)
            )
        return load(place)

    return Contender("estimate", separate)


def model(
    name: str,
    *,
    notice: Callable[[str], object] | None = None,
    downloading: Callable[[int, int], object] | None = None,
) -> Contender:
    """The model `name` on the mixtures; `notice` and `downloading` as `Separator` has them. Raises ModelError."""
    from unbraid.separation import Separator

    separator = Separator(name, notice=notice, downloading=downloading)
    label = separator.model.name
    if label == "estimate" or label in BASELINES or label == "mixture":
        raise ModelError(f"{label} is the name of a model and of what it is compared with. Rename the model.")

    def separate(reference: Multitrack) -> Multitrack:
        mixture = reference.mixture
        found = separator.separate(mixture, reference.sample_rate)
        stems = dict(found)
        if "vocals" in stems and "no_vocals" not in stems:
            stems["no_vocals"] = mixture - stems["vocals"]  # as `unbraid separate` writes it
        return Multitrack(reference.name, reference.sample_rate, stems, tuple(map(str, found.warnings)))

    return Contender(label, separate)


def baselines() -> list[Contender]:
    """What needs no training: the mixture itself as every stem, and the masks of `baselines`."""

    def mixture_as_stems(reference: Multitrack) -> Multitrack:
        names = set(reference.parts)
        if "vocals" in names:
            names.add("no_vocals")
        stems = dict.fromkeys(names, reference.mixture)
        return Multitrack(reference.name, reference.sample_rate, stems)

    return [
        Contender("mixture", mixture_as_stems),
        *(Contender(name, _known(separate)) for name, separate in BASELINES.items()),
    ]


def _known(baseline: Callable[[Floats, int], dict[str, Floats]]) -> Callable[[Multitrack], Multitrack]:
    """Only those stems of a baseline that the reference can judge; it's no fault of it to know more."""

    def separate(reference: Multitrack) -> Multitrack:
        stems = baseline(reference.mixture, reference.sample_rate)
        kept = {name: stem for name, stem in stems.items() if reference.target(name) is not None}
        return Multitrack(reference.name, reference.sample_rate, kept or stems)

    return separate


def _normal(name: str) -> str:
    """macOS and Linux write accents differently."""
    return unicodedata.normalize("NFC", name)
