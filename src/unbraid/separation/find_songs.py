"""Find songs in folders: sorted, without hidden files, loops of links, and the files that Unbraid wrote there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unbraid.errors import InputError
from unbraid.files.oserrors import read_cause
from unbraid.separation.folders import StrPath
from unbraid.separation.record_cache import files_on_record
from unbraid.separation.song_record import RECORD, read_record

HIDDEN = "."
"""Beginning of the name of a hidden file."""


@dataclass(frozen=True, slots=True)
class FoundSong(os.PathLike[str]):
    """A file in a folder that was searched; used like its path."""

    path: Path
    folder: Path
    """Its folder, relative to the folder that was searched. The output folder gets the same folders."""

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)


class FoundSongs(Iterable[StrPath]):
    """The files in `paths`, in a stable order. Each iteration searches again, in constant memory.

    Files are yielded as they were named, and files in folders as FoundSong. Whether a file is a song is found out when
    it is separated: see `unbraid.errors.NotAudio`.
    """

    def __init__(self, paths: Iterable[StrPath], out_dir: StrPath | None = None) -> None:
        self.paths = list(paths)
        self.problems: list[InputError] = []
        """Folders that the last search couldn't read."""
        self.listener: Callable[[StrPath], object] | None = None
        """Called with each song before it is yielded."""
        self._out = None if out_dir is None else _real(out_dir)
        self._roots = [_real(path) for path in self.paths if _is_folder(path)]

    @property
    def named(self) -> Sequence[StrPath]:
        """The files that were named, instead of found."""
        return [path for path in self.paths if not _is_folder(path)]

    def __iter__(self) -> Iterator[StrPath]:
        for song in self._find():
            if self.listener:
                self.listener(song)
            yield song

    @cached_property
    def _on_record(self) -> Mapping[Path, int | None]:
        """Files that `unbraid demucs` wrote. Its output folders contain no records."""
        return files_on_record()

    def _find(self) -> Iterator[StrPath]:
        self.problems = []
        seen: set[str] = set()
        for path in self.paths:
            if _is_folder(path):
                # `music` and `music/*` give the same folders below the output folder.
                below = Path() if len(self.paths) == 1 else Path(Path(_real(path)).name)
                yield from self._search(Path(path), below, seen, frozenset())
            else:
                yield path

    def _search(
        self, folder: Path, below: Path, seen: set[str], written: frozenset[str]
    ) -> Iterator[FoundSong]:
        """Search `folder`, which is `below` in the output folder. `written`: files that records above it list."""
        real = _real(folder)
        if real in seen:
            return
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                # Names only: 100,000 of them take 10 MB.
                names = sorted((entry.name for entry in entries), key=lambda name: (name.casefold(), name))
        except OSError as error:
            reason = f"can't be read: {read_cause(error)}. Change its permissions, or leave it out."
            self.problems.append(InputError(reason, subject=str(folder)))
            return
        if RECORD in names:
            return
        written |= _written_in(folder, names)
        folders = []
        for name in names:
            path = folder / name
            if name.startswith(HIDDEN) or str(path) in written or self._is_elsewhere(path):
                continue
            if _is_folder(path):
                folders.append(path)
            elif _may_be_song(path) and not self._is_on_record(path, Path(real, name)):
                yield FoundSong(path, below)
        for path in folders:
            if self._out is None or _real(path) != self._out:
                yield from self._search(path, below / path.name, seen, written)

    def _is_on_record(self, path: Path, real: Path) -> bool:
        """Whether a record in the cache lists the file `path`, and it hasn't been replaced by another file since."""
        if real not in self._on_record:
            return False
        size = self._on_record[real]
        return size is None or path.stat().st_size == size

    def _is_elsewhere(self, path: Path) -> bool:
        """Whether `path` is a link into a folder that is searched anyway, or into the output folder."""
        try:
            if not path.is_symlink():
                return False
        except OSError:
            return False
        real = _real(path)
        places = [*self._roots, *([self._out] if self._out else [])]
        return any(real == place or real.startswith(place + os.sep) for place in places)


def find_songs(paths: Iterable[StrPath], out_dir: StrPath | None = None) -> FoundSongs:
    """Return the files in `paths`, files and folders, for `Separator.separate_files`.

    Folders are searched with all folders in them. Left out are hidden files, links to files that are found anyway,
    `out_dir`, and stems that Unbraid wrote into the folders.
    """
    return FoundSongs(paths, out_dir)


def _is_folder(path: StrPath) -> bool:
    """Whether `path` is a folder; False if that can't be known."""
    with suppress(OSError, ValueError):  # a name that is too long, or contains zeros
        return bool(os.fspath(path)) and Path(path).is_dir()
    return False


def _may_be_song(path: Path) -> bool:
    """Whether `path` is a regular file, or one that can't be examined, which is an error when its turn comes."""
    try:
        return path.is_file()
    except OSError:
        return True


def _written_in(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Return the paths of stems that share `folder` or folders in it, as records in `folder` list them."""
    written: set[str] = set()
    for name in names:
        if name.startswith(HIDDEN) and name.endswith(RECORD) and (record := read_record(folder / name)):
            written.update(str(folder / file) for file in record.files)
    return frozenset(written)


def _real(path: StrPath) -> str:
    """Return the path without links."""
    with suppress(OSError, ValueError):
        return os.path.realpath(path)
    return os.fspath(path)
