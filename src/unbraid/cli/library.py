"""The options of `unbraid separate` for many songs: what to do with stems that are there already."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unbraid.audio.named import is_named_audio
from unbraid.cli.expected_time import MOST_PROBED
from unbraid.cli.outcomes import MOST_NAMED
from unbraid.errors import SettingError, UnbraidError

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
        help="what to do with a song that has stems already: replace all its files; skip it if the same model and "
        "options made them, which resumes an interrupted command; or rename the new folder to NAME (2) "
        f"(default: {EXISTING[0]}; with --on, skip)",
    )


def library_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options as `Separator.separate_files` takes them."""
    return {"existing": arguments.existing or EXISTING[0], "template": arguments.name}


def check_name(template: str | None, songs: FoundSongs, count: int) -> str | None:
    """Check `--name` before any work. Raises SettingError if it is invalid, or gives all songs the same name.

    Returns a line about songs that get the name of another one. It reads the tags of all songs, if the
    template has tags.
    """
    from unbraid.separation.find_songs import FoundSong
    from unbraid.separation.folders import file_key
    from unbraid.separation.name_template import NameTemplate, name_by

    if template is None:
        return None
    checked = NameTemplate(template)
    if count > 1 and not checked.names_songs:
        raise SettingError(f"--name {template} gives all songs the same name. Add {{track}}.")
    seen: set[int] = set()
    clashes: list[str] = []
    number = 0
    for song in songs if count > 1 else ():
        if not is_named_audio(str(song)):  # covers of several albums have one name
            continue
        folder = song.folder if isinstance(song, FoundSong) else Path()
        with suppress(UnbraidError):  # reported when the song is separated; many files aren't songs
            naming = name_by(checked, Path(song), folder, "")
            key = hash(file_key(naming.folder(1) / naming.record(1)))
            if key in seen:
                number += 1
                clashes += [str(song)] if number <= MOST_NAMED else []
            seen.add(key)
    if not number:
        return None
    more = ", …" if number > len(clashes) else ""
    songs_get = "1 song gets" if number == 1 else f"{number} songs get"
    return f"{songs_get} the name of another one, and a number such as (2): {', '.join(clashes)}{more}"


def count_songs(songs: FoundSongs) -> tuple[int, list[str]]:
    """Return the number of files, and the first of them: as many as the expected time is computed for."""
    first: list[str] = []
    count = 0
    for song in songs:
        count += 1
        if count <= MOST_PROBED:
            first.append(str(song))
    return count, first
