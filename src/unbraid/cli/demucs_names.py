"""Name the output files of `unbraid demucs` by its `--filename` template."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from unbraid.audio.formats import FORMATS
from unbraid.errors import SettingError
from unbraid.files.atomic import LONGEST_NAME
from unbraid.separation.folders import file_key
from unbraid.separation.naming import output_folder_name


class NamedFiles(NamedTuple):
    """Names of the files of a song, relative to the model's folder or absolute."""

    files: tuple[Path, ...]
    """The file of each stem."""
    common: Path
    """The template without a stem and a format, which identifies the song's files."""
    avoided: Path | None
    """The first choice of `common`, if that belongs to another song."""


IsFree = Callable[[Path, Path, Sequence[Path]], bool]
"""Whether a song may write files: called with the song, `common` and `files`."""


def name_files(
    template: str,
    songs: Sequence[Path],
    stems: Sequence[str],
    extension: str,
    is_free: IsFree = lambda song, common, files: True,
) -> list[NamedFiles]:
    """Return the files for each song.

    `template` may contain `{track}`, `{trackext}`, `{stem}` and `{ext}`. A second song of the same name becomes
    `SONG (2)`. Raises SettingError if the template gives several songs or stems the same name, or an invalid name.
    """
    taken: set[str] = set()
    return [_name_one(template, song, stems, extension, taken, is_free) for song in songs]


def _name_one(
    template: str, song: Path, stems: Sequence[str], extension: str, taken: set[str], is_free: IsFree
) -> NamedFiles:
    track = output_folder_name(song)
    ending = song.name.rpartition(".")[2]
    previous: tuple[Path, ...] = ()
    avoided: Path | None = None
    for number in count(1):
        name = track if number == 1 else f"{track} ({number})"
        files = tuple(_fill(template, name, ending, stem, extension) for stem in stems)
        common = Path(template.format(track=name, trackext=ending, stem="", ext=""))
        keys = {file_key(file) for file in files}
        if len(keys) < len(files):
            raise SettingError(f"--filename {template} gives all stems the same name. Add {{stem}}.")
        if not keys & taken:
            # A template without the song's name replaces the files of any other song, as in demucs.
            if "{track}" not in template or is_free(song, common, files):
                taken |= keys
                return NamedFiles(files, common, avoided)
            avoided = avoided or common
        if files == previous:
            raise SettingError(f"--filename {template} gives all songs the same name. Add {{track}}.")
        previous = files
    raise AssertionError("count() doesn't end")


def _fill(template: str, track: str, trackext: str, stem: str, ext: str) -> Path:
    try:
        file = Path(template.format(track=track, trackext=trackext, stem=stem, ext=ext))
    except (AttributeError, LookupError, ValueError) as error:
        raise SettingError(
            f"--filename {template} is invalid. Use {{track}}, {{trackext}}, {{stem}} and {{ext}}."
        ) from error
    if file_format(file) not in FORMATS:
        raise SettingError(
            f"--filename {template} makes {file.name or 'an empty name'}, which has no known extension."
            f" End it with .{{ext}} or one of {', '.join(f'.{name}' for name in FORMATS)}."
        )
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in file.parts):
        raise SettingError(
            f"--filename {template} makes a name longer than {LONGEST_NAME} bytes for {track}. Shorten it."
        )
    return file


def file_format(file: Path) -> str:
    """Return the format that the extension of `file` names."""
    return file.suffix[1:].lower()
