"""The user's own models in `unbraid models list`: a row and a card for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unbraid.cli.finetune_report import score_lines
from unbraid.cli.streams import write_result
from unbraid.cli.wrapped import write_wrapped
from unbraid.errors import ModelError


def list_own_models() -> None:
    """Print each of the user's models with its stems and its card; nothing if there are none."""
    from unbraid.models.own import own_models, read_card

    for number, (name, folder) in enumerate(own_models().items()):
        if number == 0:
            write_result("\n")
            write_wrapped("Your own models:", "")
        write_result("\n")
        write_wrapped(f"{name}  {_stems(folder)}", "  ")
        for line in card_lines(read_card(folder)):
            write_wrapped(line, "  ", first=False)


def _stems(folder: Path) -> str:
    from unbraid.models.folder import load_model_folder

    try:
        return " ".join(load_model_folder(folder).sources)
    except ModelError as error:
        return error.message


def card_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a card says: where the model comes from, how it was made, and its scores."""
    try:
        songs, recipe = card["songs"], card["recipe"]
        yield (
            f"Taught from {card['base']} on {card['date']}, with {songs['learnt']} songs "
            f"({card['minutes_of_songs']} minutes, with those held out), in {recipe['minutes']} minutes."
        )
        yield f"SDR on {songs['held_out']} held-out songs (before: {card['sdr_db']['compared_with']}):"
        yield from score_lines(card)
    except (KeyError, TypeError, ValueError, AttributeError):
        yield "It has no card that says how it was made."
