"""The option `--then STEM:MODEL`: second models for stems that have just been separated."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unbraid.errors import ModelError, SettingError

if TYPE_CHECKING:
    from unbraid.separation import Separator

Pass = tuple[str, str]
"""A stem, and the name of the model that separates it further."""


def add_option(parser: argparse._ActionsContainer) -> None:
    """Declare `--then`."""
    parser.add_argument(
        "--then",
        type=_stem_and_model,
        action="append",
        default=[],
        metavar="STEM:MODEL",
        help="separate a written stem further with a second model, such as --then no_vocals:lite; may be repeated for "
        "other stems. The parts are written beside it (no_vocals.drums.wav) and add up to it",
    )


def _stem_and_model(text: str) -> Pass:
    stem, _, model = text.partition(":")
    if not stem or not model:
        raise ValueError
    return stem, model


_stem_and_model.__name__ = "STEM:MODEL"  # argparse: "invalid STEM:MODEL value: 'x'"


def load_second_models(
    passes: Sequence[Pass],
    first: Separator,
    written: Sequence[str],
    load: Callable[[str], Separator],
) -> dict[str, Separator]:
    """Load the second models for stems of `first`, which are `written`. Errors name the option.

    All passes are checked before a model is downloaded. Raises SettingError and ModelError.
    """
    from unbraid.separation.second_passes import check_sources

    check_passes(passes, written, first.sources)
    models: dict[str, Separator] = {}
    for stem, model in passes:
        with _naming(stem, model):
            if model not in models:
                models[model] = load(model)
            check_sources(stem, models[model].model)
    return {stem: models[model] for stem, model in passes}


def check_passes(passes: Sequence[Pass], written: Sequence[str], sources: Sequence[str]) -> None:
    """Raise SettingError if a pass isn't for a stem that is `written`, of a model with `sources`."""
    from unbraid.separation.second_passes import check_stem

    stems = [stem for stem, _ in passes]
    for stem, model in passes:
        with _naming(stem, model):
            if stems.count(stem) > 1:
                raise SettingError(f"The stem {stem} has two second models. Choose one.")
            check_stem(stem, written, sources)


@contextmanager
def _naming(stem: str, model: str) -> Iterator[None]:
    """Put the option in front of an error."""
    try:
        yield
    except (SettingError, ModelError) as error:
        kind = ModelError if isinstance(error, ModelError) else SettingError
        raise kind(f"--then {stem}:{model}: {error}") from error
