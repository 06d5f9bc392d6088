"""Stems on their way to disk: all of a song's files appear at once and whole, or nothing does."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType

from unbraid.errors import OutputError
from unbraid.files.atomic import LONGEST_NAME
from unbraid.files.oserrors import output_error
from unbraid.files.workfolder import WorkFolder

# Folders that this process had to make for stems -> how many StemFolders are at work in each. The last one that leaves
# removes it if nothing has come of any.
_made: dict[Path, int] = {}
_making = Lock()


class StemFolder:
    """Context manager: a hidden folder in `out_dir` to write into, which `publish` turns into `out_dir/name`.

    When it is left without that, nothing stays, neither of its contents nor of folders that had to be made.
    Raises OutputError when a folder can't be made or renamed.
    """

    def __init__(self, out_dir: Path, name: str) -> None:
        self.target = out_dir / name
        self._out_dir = out_dir
        self._within: list[Path] = []

    def __enter__(self) -> StemFolder:
        try:
            with _making:
                self._make_folders()
                self._work = WorkFolder(self._out_dir)
        except OSError as error:
            self._leave_folders()
            raise output_error(self._out_dir, error) from error
        except OutputError:
            self._leave_folders()
            raise
        # A folder of its own inside: the hidden one is closed to others, the stems should not be.
        self.stems = self._work.path / "stems"
        try:
            self.stems.mkdir()
        except OSError as error:
            self.__exit__(None, None, None)
            raise output_error(self._out_dir, error) from error
        return self

    def spool(self, name: str) -> Path:
        """Path of a file that is needed while working and then goes."""
        return self._work.path / name

    def publish(self) -> None:
        """Bring the files in `stems` into place, over older ones of their names."""
        try:
            if self.target.is_dir():
                for path in sorted(self.stems.iterdir()):
                    path.replace(self.target / path.name)
            else:
                self.stems.rename(self.target)
        except OSError as error:
            raise output_error(self.target, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.remove()
        self._leave_folders()
        if isinstance(error, OutputError) and error.path and error.path.is_relative_to(self._work.path):
            # The user doesn't know the hidden folder.
            is_stem = error.path.parent == self.stems
            raise error.moved_to(self.target / error.path.name if is_stem else self._out_dir) from error

    def _make_folders(self) -> None:
        out_dir = self._out_dir.absolute()
        folders = (out_dir, *out_dir.parents)
        try:
            for path in reversed([path for path in folders if not path.exists()]):
                path.mkdir(exist_ok=True)
                _made.setdefault(path, 0)
        finally:
            self._within = [path for path in folders if path in _made]
            for path in self._within:
                _made[path] += 1
        if self.target.exists() and not self.target.is_dir():
            raise output_error(self.target, NotADirectoryError(errno.ENOTDIR, ""))

    def _leave_folders(self) -> None:
        with _making:
            for path in self._within:
                _made[path] -= 1
                if not _made[path]:
                    del _made[path]
                    with suppress(OSError):  # there is something in it
                        path.rmdir()


def output_folder_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A folder name for each song: its file's name without the ending; a second one of that name gets ` (2)`.

    Names that differ only in case or in how accents are encoded count as one, as file systems may treat them
    so.
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        base = output_folder_name(path)
        name, number = base, 1
        while _key(name) in taken:
            number += 1
            name = _shortened(base, f" ({number})")
        taken.add(_key(name))
        names.append(name)
    return names


def output_folder_name(path: str | os.PathLike[str]) -> str:
    """Name of the folder for the stems of `path`: the file's name without its ending.

    >>> output_folder_name("music/song.live.mp3")
    'song.live'
    """
    name = Path(path).name
    stem = name.rpartition(".")[0]
    # "..." and the like would point out of the output folder; a name that is all ending is better than none.
    return _shortened(stem if stem.strip(". ") else name.strip(". ") or "song", "")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _shortened(name: str, suffix: str) -> str:
    """`name` and `suffix`, the name cut so that both fit a file system's limit."""
    room = LONGEST_NAME - len(suffix)
    encoded = os.fsencode(name)
    return (encoded[:room].decode("utf-8", "ignore") if len(encoded) > room else name) + suffix
