"""Where `unbraid demucs` writes: the files that its `--filename` template stands for."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from unbraid.audio.formats import FORMATS
from unbraid.errors import SettingError
from unbraid.files.atomic import LONGEST_NAME
from unbraid.separation.output import output_folder_name


def name_files(
    template: str, songs: Sequence[Path], stems: Sequence[str], extension: str
) -> list[tuple[Path, ...]]:
    """For each song the file of each stem, below the model's folder or absolute.

    `template` holds `{track}`, `{trackext}`, `{stem}` and `{ext}`. No file is named twice: a second song of the same
    name becomes `SONG (2)`. Raises SettingError for a template that doesn't tell songs or stems apart, or whose names
    no file can have.
    """
    taken: set[str] = set()
    return [_name_one(template, song, stems, extension, taken) for song in songs]


def _name_one(
    template: str, song: Path, stems: Sequence[str], extension: str, taken: set[str]
) -> tuple[Path, ...]:
    track = output_folder_name(song)
    ending = song.name.rpartition(".")[2]
    before: tuple[Path, ...] = ()
    for number in count(1):
        name = track if number == 1 else f"{track} ({number})"
        files = tuple(_fill(template, name, ending, stem, extension) for stem in stems)
        keys = {_key(file) for file in files}
        if len(keys) < len(files):
            raise SettingError(f"--filename {template} names all stems alike. Put {{stem}} into it.")
        if not keys & taken:
            taken |= keys
            return files
        if files == before:
            raise SettingError(
                f"--filename {template} names the stems of all songs alike. Put {{track}} into it."
            )
        before = files
    raise AssertionError("count() doesn't end")


def _fill(template: str, track: str, trackext: str, stem: str, ext: str) -> Path:
    try:
        file = Path(template.format(track=track, trackext=trackext, stem=stem, ext=ext))
    except (AttributeError, LookupError, ValueError) as error:
        raise SettingError(
            f"--filename {template} can't be filled in. It may hold {{track}}, {{trackext}}, {{stem}} and {{ext}}."
        ) from error
    if file_format(file) not in FORMATS:
        raise SettingError(
            f"--filename {template} makes {file.name or 'no name'}, and the ending says the format:"
            f" end it with .{{ext}}, or one of {', '.join(f'.{name}' for name in FORMATS)}."
        )
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in file.parts):
        raise SettingError(
            f"--filename {template} makes a name of more than {LONGEST_NAME} bytes for {track}."
        )
    return file


def file_format(file: Path) -> str:
    """The format that the ending of `file` stands for."""
    return file.suffix[1:].lower()


def _key(file: Path) -> str:
    """The same for names that some file systems take for the same."""
    return unicodedata.normalize("NFC", os.path.normpath(file)).casefold()
