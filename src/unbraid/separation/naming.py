"""Names of a song's files below the output folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unbraid.errors import SettingError
from unbraid.files.atomic import LONGEST_NAME
from unbraid.separation.song_record import RECORD


class Naming(Protocol):
    """Names of the files of one song, relative to the output folder. Number 1 is the first choice, 2 the next."""

    @property
    def is_own(self) -> bool:
        """Whether the song has a folder of its own. Otherwise its files have names of their own in a shared folder."""
        ...

    def folder(self, number: int) -> Path:
        """Folder of the song."""
        ...

    def record(self, number: int) -> str:
        """Name of the song's record in the folder."""
        ...

    def file(self, name: str, number: int) -> str:
        """Path of the file `STEM.FORMAT`, relative to the folder."""
        ...

    def check(self, files: Sequence[str]) -> None:
        """Raise SettingError if two of the files `STEM.FORMAT` get the same name."""


@dataclass(frozen=True, slots=True)
class FolderNaming:
    """`PARENT/NAME/STEM.FORMAT`; the next choice is `PARENT/NAME (2)/STEM.FORMAT`."""

    name: str
    """Name of the song's folder."""
    parent: Path = Path()
    """Folder of that folder, relative to the output folder."""

    @property
    def is_own(self) -> bool:
        """See Naming."""
        return True

    def folder(self, number: int) -> Path:
        """See Naming."""
        return self.parent / numbered(self.name, number)

    def record(self, number: int) -> str:
        """See Naming."""
        return RECORD

    def file(self, name: str, number: int) -> str:
        """See Naming."""
        return name

    def check(self, files: Sequence[str]) -> None:
        """See Naming. Stems have different names."""


def output_folder_name(path: str | os.PathLike[str], part: str | None = None) -> str:
    """Return the name of the folder for the stems of `path`: the file's name without its suffix.

    Stems of a part of the song have a folder of their own, so that they don't replace those of the whole song.

    >>> output_folder_name("music/song.live.mp3")
    'song.live'
    >>> output_folder_name("song.mp3", "1m05s to 1m35s")
    'song (1m05s to 1m35s)'
    """
    name = Path(path).name
    stem = name.rpartition(".")[0]
    # A name such as "..." would point out of the output folder. For a name such as ".mp3", use the suffix.
    return shortened(stem if stem.strip(". ") else name.strip(". ") or "song", f" ({part})" if part else "")


def check_folder_name(name: str) -> str:
    """Return `name` if it is the name of one folder. Raises SettingError for paths and reserved names."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or os.sep in name or "\0" in name:
        raise SettingError(f"The name has to be the name of one folder, not {name!r}. Leave out any path.")
    return name


def check_subfolder(path: str | os.PathLike[str] | None) -> Path:
    """Return `path` if it is relative and stays in the output folder; None is the output folder itself.

    Raises SettingError.
    """
    folder = Path() if path is None else Path(path)
    if folder.is_absolute() or ".." in folder.parts:
        raise SettingError(f"A folder in the output folder is needed, not {folder}.")
    return folder


def numbered(name: str, number: int) -> str:
    """Return `name`, `name (2)`, `name (3)` and so on, at most as long as file systems allow."""
    return name if number == 1 else shortened(name, f" ({number})")


def shortened(name: str, suffix: str, limit: int = LONGEST_NAME) -> str:
    """Append `suffix` to `name`. Shorten `name` so that the result has at most `limit` bytes."""
    limit -= len(os.fsencode(suffix))
    encoded = os.fsencode(name)
    return (encoded[:limit].decode("utf-8", "ignore") if len(encoded) > limit else name) + suffix
