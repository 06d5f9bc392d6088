"""Name the output files of `unbraid demucs` by its `--filename` template."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from unbraid.audio.formats import FORMATS
from unbraid.errors import SettingError
from unbraid.files.atomic import LONGEST_NAME
from unbraid.separation.folders import output_folder_name


def name_files(
    template: str, songs: Sequence[Path], stems: Sequence[str], extension: str
) -> list[tuple[Path, ...]]:
    """Return the file of each stem for each song, relative to the model's folder or absolute.

    `template` may contain `{track}`, `{trackext}`, `{stem}` and `{ext}`. A second song of the same name becomes
    `SONG (2)`. Raises SettingError if the template gives several songs or stems the same name, or an invalid name.
    """
    taken: set[str] = set()
    return [_name_one(template, song, stems, extension, taken) for song in songs]


def _name_one(
    template: str, song: Path, stems: Sequence[str], extension: str, taken: set[str]
) -> tuple[Path, ...]:
    track = output_folder_name(song)
    ending = song.name.rpartition(".")[2]
    previous: tuple[Path, ...] = ()
    for number in count(1):
        name = track if number == 1 else f"{track} ({number})"
        files = tuple(_fill(template, name, ending, stem, extension) for stem in stems)
        keys = {_key(file) for file in files}
        if len(keys) < len(files):
            raise SettingError(f"--filename {template} gives all stems the same name. Add {{stem}}.")
        if not keys & taken:
            taken |= keys
            return files
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


def _key(file: Path) -> str:
    """Return one key for all names that some file systems treat as the same."""
    return unicodedata.normalize("NFC", os.path.normpath(file)).casefold()
