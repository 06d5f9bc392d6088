"""The option `--stems`: which stems of a song are written."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from unbraid.audio.stem_names import ALL, VOCALS


def add_stems_option(parser: argparse._ActionsContainer) -> None:
    """Declare the option."""
    parser.add_argument(
        "--stems",
        metavar="vocals|all|NAME|LIST",
        help="one stem and the rest of the song, all stems, or exactly a list: vocals,drums+bass,mix (default: "
        "vocals; all, if the model has no vocals)",
    )


def stems_of(arguments: argparse.Namespace, sources: Collection[str]) -> str:
    """Return the stems to write, for a model with these sources."""
    from unbraid.models.auto import is_choice
    from unbraid.models.questions import writes_all

    if arguments.stems is not None:
        return str(arguments.stems)
    every = is_choice(arguments.model) and arguments.repo is None and writes_all(arguments.model)
    return ALL if every or VOCALS not in sources else VOCALS
