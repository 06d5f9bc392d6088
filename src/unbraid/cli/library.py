"""The options of `unbraid separate` for many songs: what to do with stems that are there already."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from unbraid.cli.expected_time import MOST_PROBED
from unbraid.errors import SettingError

if TYPE_CHECKING:
    from unbraid.separation.find_songs import FoundSongs

EXISTING = ("replace", "skip", "rename")


def add_library_options(group: argparse._ActionsContainer) -> None:
    """Declare the options."""
    group.add_argument(
        "--name",
        metavar="TEMPLATE",
        help="names of the files below OUT, such as '{artist} - {title}/{stem}': {track} is the name of the song's "
        "file, {folder} its folder, {model} the model; any tag, such as {album} or {bpm}, works too",
    )
    group.add_argument(
        "--existing",
        choices=EXISTING,
        default=EXISTING[0],
        help="what to do with a song that has stems already: replace all its files; skip it if the same model and "
        "options made them, which resumes an interrupted command; or rename the new folder to NAME (2) "
        "(default: %(default)s)",
    )


def library_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options as `Separator.separate_files` takes them."""
    return {"existing": arguments.existing, "template": arguments.name}


def check_name(template: str | None, count: int) -> None:
    """Raise SettingError if `--name` is invalid, or gives several songs the same name."""
    from unbraid.separation.name_template import NameTemplate

    if template is not None and not NameTemplate(template).names_songs and count > 1:
        raise SettingError(f"--name {template} gives all songs the same name. Add {{track}}.")


def count_songs(songs: FoundSongs) -> tuple[int, list[str]]:
    """Return the number of files, and the first of them: as many as the expected time is computed for."""
    first: list[str] = []
    count = 0
    for song in songs:
        count += 1
        if count <= MOST_PROBED:
            first.append(str(song))
    return count, first
