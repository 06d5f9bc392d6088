"""The options for ensembles, `-m a+b`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from unbraid.audio.stem_names import ALL
from unbraid.models.ensemble import COMBINE


def add_ensemble_options(group: argparse._ActionsContainer) -> None:
    """Declare the options."""
    group.add_argument(
        "--combine",
        choices=COMBINE,
        help="how -m MODEL+MODEL combines its models: mean of their waveforms, or in the spectrum the median, max or "
        "min of their magnitudes (default: mean, or as the preset says)",
    )
    group.add_argument(
        "--weights",
        action="append",
        type=_weights,
        metavar="N,N",
        help="weight of each model of an ensemble, in order (default: 1); for one stem: vocals=N,N",
    )


def weights_by_stem(given: Iterable[tuple[str, list[float]]] | None) -> dict[str, list[float]] | None:
    """Return the weights of all uses of the option, as `Separator` takes them. The last one for a stem counts."""
    return None if given is None else dict(given)


def _weights(text: str) -> tuple[str, list[float]]:
    """Convert "2,1" or "vocals=2,1" to a stem, or ALL, and its weights."""
    stem, equals, numbers = text.rpartition("=")
    if equals and not stem:
        raise ValueError
    return stem or ALL, [float(number) for number in numbers.split(",")]


_weights.__name__ = "list of weights"  # argparse: "invalid list of weights value: 'x'"
