"""Publish the stems of a song together, and choose the name of their folder."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType

from unbraid.errors import OutputError
from unbraid.files.atomic import LONGEST_NAME
from unbraid.files.oserrors import report_output_errors
from unbraid.files.workfolder import WorkFolder

# Folders that this process created for stems -> number of StemFolders that use each. The last user removes the folder
# if it is empty.
_created: dict[Path, int] = {}
_lock = Lock()


class StemFolder:
    """Context manager for a hidden folder in `out_dir`; `publish` moves its stems to `out_dir/name`.

    Without `publish`, the hidden folder and the folders that were created for it are removed. Raises OutputError.
    """

    def __init__(self, out_dir: Path, name: str) -> None:
        self.target = out_dir / name
        self._out_dir = out_dir
        self._within: list[Path] = []

    def __enter__(self) -> StemFolder:
        with ExitStack() as undo:
            undo.callback(self._remove_folders)
            with report_output_errors(self._out_dir):
                with _lock:
                    self._create_folders()
                    self._work = WorkFolder(self._out_dir)
                undo.callback(self._work.remove)
                # Other users can't open the work folder, but they may open the stems.
                self.stems = self._work.path / "stems"
                self.stems.mkdir()
            undo.pop_all()
        return self

    def spool(self, name: str) -> Path:
        """Return the path of a temporary file."""
        return self._work.path / name

    def publish(self) -> None:
        """Move the files in `stems` into the output folder. Older files with the same names are replaced."""
        with report_output_errors(self.target):
            if self.target.is_dir():
                for path in sorted(self.stems.iterdir()):
                    path.replace(self.target / path.name)
            else:
                self.stems.rename(self.target)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.remove()
        self._remove_folders()
        if isinstance(error, OutputError) and error.path and error.path.is_relative_to(self._work.path):
            # Name the place that the user knows instead of the hidden folder.
            is_stem = error.path.parent == self.stems
            raise error.moved_to(self.target / error.path.name if is_stem else self._out_dir) from error

    def _create_folders(self) -> None:
        out_dir = self._out_dir.absolute()
        folders = (out_dir, *out_dir.parents)
        try:
            for path in reversed([path for path in folders if not path.exists()]):
                path.mkdir(exist_ok=True)
                _created.setdefault(path, 0)
        finally:
            self._within = [path for path in folders if path in _created]
            for path in self._within:
                _created[path] += 1
        if self.target.exists() and not self.target.is_dir():
            with report_output_errors(self.target):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def _remove_folders(self) -> None:
        with _lock:
            for path in self._within:
                _created[path] -= 1
                if not _created[path]:
                    del _created[path]
                    with suppress(OSError):  # not empty
                        path.rmdir()


def output_folder_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Choose a folder name for each song: its file's name without suffix; a second song of that name gets ` (2)`.

    Names that differ only in case or in the encoding of accents count as equal, as on some file systems.
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
    """Return the name of the folder for the stems of `path`: the file's name without its suffix.

    >>> output_folder_name("music/song.live.mp3")
    'song.live'
    """
    name = Path(path).name
    stem = name.rpartition(".")[0]
    # A name such as "..." would point out of the output folder. For a name such as ".mp3", use the suffix.
    return _shortened(stem if stem.strip(". ") else name.strip(". ") or "song", "")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _shortened(name: str, suffix: str) -> str:
    """Append `suffix` to `name`. Shorten `name` so that the result fits the limit of file systems."""
    limit = LONGEST_NAME - len(suffix)
    encoded = os.fsencode(name)
    return (encoded[:limit].decode("utf-8", "ignore") if len(encoded) > limit else name) + suffix
