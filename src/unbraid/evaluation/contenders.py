"""Contenders to score: a folder of stems, a model, or a baseline. Each estimates the stems of one song at a time."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unbraid.audio.arrays import Floats
from unbraid.errors import InputError, SettingError
from unbraid.evaluation.baselines import BASELINES
from unbraid.evaluation.multitrack import Multitrack, find_songs, is_song, load

ESTIMATE, MIXTURE = "estimate", "mixture"
COLUMNS = (ESTIMATE, MIXTURE, *BASELINES)
"""Names of all contenders that are not models."""


@dataclass(frozen=True)
class Contender:
    """A named way to estimate the stems of a song.

    `separate` takes the reference and returns the estimate. It raises InputError if it can't estimate this song.
    """

    name: str
    separate: Callable[[Multitrack], Multitrack]


def folder(path: Path, songs: int) -> Contender:
    """Score existing stems, laid out like the reference: one folder or stem file of the same name for each song.

    If the reference is a single song (`songs` is 1), `path` may also be its folder of stems, under any name. Raises
    SettingError if `path` is a single song and the reference has several, InputError if `path` holds no stems.
    """
    single_song = is_song(path)
    if single_song and songs > 1:
        raise SettingError(
            f"is one song, but the reference has {songs}. Give a folder with a subfolder for each song.",
            subject=str(path),
        )
    paths = {_normal(name): song for name, song in find_songs(path).items()}

    def separate(reference: Multitrack) -> Multitrack:
        source = path if single_song else paths.get(_normal(reference.name))
        if source is None:
            raise InputError(
                f"has no {reference.name}. Use the same folder names for the reference and the estimate.",
                subject=str(path),
            )
        return load(source)

    return Contender(ESTIMATE, separate)


def model(
    name: str,
    *,
    notice: Callable[[str], object] | None = None,
    downloading: Callable[[int, int], object] | None = None,
    combine: str | None = None,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> Contender:
    """Run the model or ensemble `name` on the mixtures. `Separator` documents the options. Raises its errors."""
    from unbraid.separation import Separator

    separator = Separator(name, combine=combine, weights=weights, notice=notice, downloading=downloading)

    def separate(reference: Multitrack) -> Multitrack:
        mixture = reference.mixture
        separated = separator.separate(mixture, reference.sample_rate)
        stems = dict(separated)
        if "vocals" in stems and "no_vocals" not in stems:
            stems["no_vocals"] = mixture - stems["vocals"]  # as `unbraid separate` does
        return Multitrack(reference.name, reference.sample_rate, stems, tuple(map(str, separated.warnings)))

    return Contender(separator.model.name, separate)


def baselines() -> list[Contender]:
    """Return the contenders that need no training: the unchanged mixture as every stem, and each of BASELINES."""

    def mixture_as_stems(reference: Multitrack) -> Multitrack:
        names = set(reference.parts)
        if "vocals" in names:
            names.add("no_vocals")
        stems = dict.fromkeys(names, reference.mixture)
        return Multitrack(reference.name, reference.sample_rate, stems)

    return [
        Contender(MIXTURE, mixture_as_stems),
        *(Contender(name, _with_known_stems(separate)) for name, separate in BASELINES.items()),
    ]


def _with_known_stems(
    baseline: Callable[[Floats, int], dict[str, Floats]],
) -> Callable[[Multitrack], Multitrack]:
    """Keep only the stems of a baseline that the reference has, so that the others cause no warning."""

    def separate(reference: Multitrack) -> Multitrack:
        stems = baseline(reference.mixture, reference.sample_rate)
        known = {name: stem for name, stem in stems.items() if reference.target(name) is not None}
        return Multitrack(reference.name, reference.sample_rate, known or stems)

    return separate


def _normal(name: str) -> str:
    """Normalise accents to NFC: macOS and Linux write them differently."""
    return unicodedata.normalize("NFC", name)
