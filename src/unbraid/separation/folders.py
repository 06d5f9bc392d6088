"""Choose the output folder of each song: a folder belongs to one song, and no stem replaces a song."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock

from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.errors import InputError, OutputError, SettingError, SongWarning, WriteProblem
from unbraid.files.atomic import LONGEST_NAME
from unbraid.files.move_all import check_replaceable
from unbraid.files.oserrors import output_error
from unbraid.separation.song_record import SongRecord, checksum, read_record

StrPath = str | os.PathLike[str]
FileId = tuple[int, int]
"""Device and inode: the same for all links to a file, and for all spellings of its name."""


class OutputFolders:
    """Folders in `out_dir` for `songs` that are separated together. Thread-safe.

    No two of the songs share a folder, and no stem may replace one of the songs.
    """

    def __init__(self, out_dir: Path, songs: Iterable[StrPath]) -> None:
        self.out_dir = out_dir
        self.songs = file_ids(songs)
        self._taken: dict[str, SongFolder] = {}
        self._lock = Lock()

    def claim(self, name: str, folder: SongFolder) -> bool:
        """Reserve `name` for `folder`. Return False if it is reserved for another song."""
        with self._lock:
            return self._taken.setdefault(_key(name), folder) is folder

    def is_taken(self, name: str, folder: SongFolder) -> bool:
        """Whether `name` is reserved for another song than that of `folder`."""
        with self._lock:
            return self._taken.get(_key(name), folder) is not folder


@dataclass(eq=False, slots=True)
class SongFolder:
    """The folder of one song: `name`, or `name (2)` if `name` belongs to another song.

    A folder belongs to the song in its record, which is found by its sound: a moved or tagged song is the same, a new
    mix is another. Without a record, a folder belongs to an unknown song if it contains stems.
    """

    folders: OutputFolders
    song: Path
    name: str
    files: Sequence[str]
    """Names of the files that will be written."""
    sources: Collection[str]
    """Names of the model's stems."""
    record: SongRecord | None = field(default=None, init=False)
    """The record of the chosen folder, before this run."""
    path: Path = field(init=False)
    """The chosen folder."""
    _checksum: str | None = field(default=None, init=False)
    _avoided: Path | None = field(default=None, init=False)

    def choose(self) -> Path:
        """Choose the folder, and check that the files can be written there. Raises OutputError and InputError."""
        with suppress(InputError):  # a missing song is reported when it is read
            _ = self.checksum  # now, because the song may be gone when its stems are finished
        self._avoided = None
        for number in count(1):
            name = self.name if number == 1 else _shortened(self.name, f" ({number})")
            if self.folders.is_taken(name, self):
                continue
            self.path = self.folders.out_dir / name
            if not self._is_mine():
                self._avoided = self._avoided or self.path
            elif self.folders.claim(name, self):
                break
        for name in self.files:
            refuse_song(self.path / name, self.folders.songs)
            check_replaceable(self.path / name)
        return self.path

    @property
    def new_record(self) -> SongRecord:
        """The record of the folder after this run."""
        older = self.record.files if self.record else ()
        return SongRecord(self.checksum, tuple(sorted({*older, *self.files})))

    @property
    def checksum(self) -> str:
        """Checksum of the song. Raises InputError."""
        if self._checksum is None:
            self._checksum = checksum(self.song)
        return self._checksum

    def warnings(self) -> tuple[SongWarning, ...]:
        """Return what the user has to know about the choice."""
        if self._avoided is None:
            return ()
        reason = f"has its stems in {self.path}, because {self._avoided} has those of another song."
        return (SongWarning(self.song.name, reason),)

    def _is_mine(self) -> bool:
        self.record = None
        try:
            files = [path for path in self.path.iterdir() if path.is_file()]
        except FileNotFoundError as error:
            if self.path.is_symlink():  # to a missing folder
                raise _in_the_way(self.path) from error
            return True
        except OSError as error:
            raise output_error(self.path, error) from error
        self.record = read_record(self.path)
        if self.record is None:
            stems = {*self.sources, *(COMPLEMENT_PREFIX + source for source in self.sources)}
            return not any(file.stem.casefold() in stems for file in files)
        return self.record.sha256 == self.checksum


def file_ids(paths: Iterable[StrPath]) -> frozenset[FileId]:
    """Return the ids of the files that exist."""
    ids = set()
    for path in paths:
        with suppress(OSError, ValueError):
            ids.add(_file_id(path))
    return frozenset(ids)


def refuse_song(target: Path, songs: Collection[FileId]) -> None:
    """Raise OutputError if a file written to `target` would replace one of `songs`."""
    with suppress(OSError):
        if _file_id(target) in songs:
            raise OutputError(
                "is a song of this command, and a stem would replace it.",
                path=target,
                problem=WriteProblem.IS_SONG,
                advice="Choose another output folder{option}.",
            )


def output_folder_name(path: StrPath) -> str:
    """Return the name of the folder for the stems of `path`: the file's name without its suffix.

    >>> output_folder_name("music/song.live.mp3")
    'song.live'
    """
    name = Path(path).name
    stem = name.rpartition(".")[0]
    # A name such as "..." would point out of the output folder. For a name such as ".mp3", use the suffix.
    return _shortened(stem if stem.strip(". ") else name.strip(". ") or "song", "")


def check_folder_name(name: str) -> str:
    """Return `name` if it is the name of one folder. Raises SettingError for paths and reserved names."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or os.sep in name or "\0" in name:
        raise SettingError(f"The name has to be the name of one folder, not {name!r}. Leave out any path.")
    return name


def _file_id(path: StrPath) -> FileId:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _in_the_way(path: Path) -> OutputError:
    return output_error(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))


def _key(name: str) -> str:
    """Return one key for all names that some file systems treat as the same: other case, other encoding of accents."""
    return unicodedata.normalize("NFC", name).casefold()


def _shortened(name: str, suffix: str) -> str:
    """Append `suffix` to `name`. Shorten `name` so that the result fits the limit of file systems."""
    limit = LONGEST_NAME - len(suffix)
    encoded = os.fsencode(name)
    return (encoded[:limit].decode("utf-8", "ignore") if len(encoded) > limit else name) + suffix
