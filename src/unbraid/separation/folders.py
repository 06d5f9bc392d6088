"""Choose the output folder of each song: a folder belongs to one song, and no stem replaces a song."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

from unbraid.audio.stem_names import COMPLEMENT_PREFIX
from unbraid.audio.stem_words import PLUS
from unbraid.errors import InputError, OutputError, SettingError, SongWarning, WriteProblem
from unbraid.files.move_all import check_replaceable
from unbraid.files.oserrors import output_error
from unbraid.separation.naming import Naming
from unbraid.separation.recipe import Recipe
from unbraid.separation.song_record import Making, SongRecord, SongSound, read_record

StrPath = str | os.PathLike[str]
FileId = tuple[int, int]
"""Device and inode: the same for all links to a file, and for all spellings of its name."""

Existing = Literal["replace", "skip", "rename"]
"""What to do with a song that has stems already: replace them, skip the song, or use another folder."""
REPLACE, SKIP, RENAME = EXISTING = get_args(Existing)

# A song is searched for in `NAME`, `NAME (2)` and so on, until this many in a row are missing. A song that failed
# leaves a gap.
LONGEST_GAP = 2


class OutputFolders:
    """Folders in `out_dir` for `songs` that are separated together. Thread-safe.

    No two of the songs share a folder, and no stem may replace one of the songs.
    """

    def __init__(self, out_dir: Path, songs: Iterable[StrPath]) -> None:
        self.out_dir = out_dir
        self.songs = file_ids(songs)
        # Hash of a name -> number of a song: 10 MB for 100,000 songs.
        self._taken: dict[int, int] = {}
        self._count = 0
        self._lock = Lock()

    def new_number(self) -> int:
        """Return a number for a further song."""
        with self._lock:
            self._count += 1
            return self._count

    def claim(self, path: Path, song: int) -> bool:
        """Reserve `path` for a song. Return False if it is reserved for another one."""
        with self._lock:
            return self._taken.setdefault(hash(file_key(path)), song) == song

    def is_taken(self, path: Path, song: int) -> bool:
        """Whether `path` is reserved for another song."""
        with self._lock:
            return self._taken.get(hash(file_key(path)), song) != song


@dataclass(eq=False, slots=True)
class SongFolder:
    """The folder of one song: the first choice of `naming`, or `NAME (2)` if that belongs to another song.

    A folder belongs to the song in its record, which is found by its sound: a moved or tagged song is the same, a new
    mix is another. Without a record, a folder belongs to an unknown song if it contains stems, or a file to be written.
    """

    folders: OutputFolders
    song: Path
    naming: Naming
    files: Sequence[str]
    """Names of the files that will be written, `STEM.FORMAT`."""
    sources: Collection[str]
    """Names of the model's stems."""
    existing: Existing = REPLACE
    record: SongRecord | None = field(default=None, init=False)
    """The record of the chosen folder, before this run."""
    path: Path = field(init=False)
    """The chosen folder."""
    number: int = field(default=1, init=False)
    """Which choice of `naming` it is."""
    _id: int = field(init=False)
    _sound: SongSound | None = field(default=None, init=False)
    _avoided: Path | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.existing not in EXISTING:
            raise SettingError(
                f"Existing stems can't be treated by {self.existing!r}. Choose {', '.join(EXISTING)}."
            )
        self._id = self.folders.new_number()

    @property
    def record_path(self) -> Path:
        """The record in the chosen folder."""
        return self._record(self.number)

    def _record(self, number: int) -> Path:
        return self.folders.out_dir / self.naming.folder(number) / self.naming.record(number)

    def place(self, name: str) -> Path:
        """Return the path of the file `STEM.FORMAT` in the chosen folder."""
        return self.path / self.naming.file(name, self.number)

    def find_done(self, recipe: Recipe) -> Making | None:
        """Return how the files of this song were made, if they are there and `recipe` is the same. Reserve its folder.

        Usually that reads only the status of the song and its stems. Raises InputError if the song is unreadable.
        """
        number = self._known_number()
        if number is None:
            return None
        self._look_at(number)
        if self.record is None or not self.record.is_done(recipe, self.path):
            return None
        making = self.record.making
        if making is None or {self.naming.file(name, number) for name in making.stems.values()} != {
            *self.record.files
        }:
            return None  # another template named the files
        return making if self.folders.claim(self.record_path, self._id) else None

    def choose(self) -> Path:
        """Choose the folder, and check that the files can be written there. Raises OutputError and InputError."""
        self._avoided = None
        known = None if self.existing == RENAME else self._known_number()
        for number in count(1) if known is None else chain([known], count(1)):
            self._look_at(number)
            if self.folders.is_taken(self.record_path, self._id):
                continue
            if not self._is_mine():
                self._avoided = self._avoided or self.path
            elif self.folders.claim(self.record_path, self._id):
                break
        if self.number == known and known > 1 and not self.folders.is_taken(self._record(1), self._id):
            self._avoided = self.folders.out_dir / self.naming.folder(1)
        with suppress(InputError):  # a missing song is reported when it is read
            _ = self.sound.sha256  # now, because the song may be gone when its stems are finished
        for path in (*map(self.place, self.files), *self.obsolete()):
            refuse_song(path, self.folders.songs)
            check_replaceable(path)
        return self.path

    @property
    def sound(self) -> SongSound:
        """The sound of the song, as it was when this folder was first used."""
        if self._sound is None:
            self._sound = SongSound(self.song)
        return self._sound

    def obsolete(self) -> list[Path]:
        """Return the files of an earlier run that this run doesn't replace."""
        if self.record is None:
            return []
        new = {file_key(self.place(name)) for name in self.files}
        older = (self.path / name for name in self.record.files)
        return [path for path in older if path.is_file() and file_key(path) not in new]

    def unfinished_record(self) -> SongRecord:
        """Return the record while the files are being replaced: the song, and all older and new files."""
        names = {*(self.record.files if self.record else ()), *self._names}
        return SongRecord(self.sound.sha256, dict.fromkeys(sorted(names)), self.sound.source)

    def new_record(self, making: Making | None, hidden: Path) -> SongRecord:
        """Return the record after this run, whose files are still in `hidden`."""
        sizes = {self.naming.file(name, self.number): (hidden / name).stat().st_size for name in self.files}
        return SongRecord(self.sound.sha256, sizes, self.sound.source, making)

    def warnings(self) -> tuple[SongWarning, ...]:
        """Return what the user has to know about the choice."""
        if self._avoided is None or self.existing == RENAME:
            return ()
        reason = f"has its stems in {self.path}, because {self._avoided} has those of another song."
        return (SongWarning(self.song.name, reason),)

    @property
    def _names(self) -> list[str]:
        return [self.naming.file(name, self.number) for name in self.files]

    def _look_at(self, number: int) -> None:
        """Read the record of choice `number`."""
        self.number, self.path = number, self.folders.out_dir / self.naming.folder(number)
        self.record = read_record(self.record_path)

    def _known_number(self) -> int | None:
        """Return the choice that has the record of this song; None if there is none. Raises InputError."""
        same = [self.sound.is_unchanged, self.sound.is_same]
        for is_same in same:
            for number in self._existing_numbers():
                if self.record is not None and is_same(self.record):
                    return number
        return None

    def _existing_numbers(self) -> Iterator[int]:
        """Look at each choice that has a record or a folder and isn't reserved for another song."""
        missing = 0
        for number in count(1):
            self._look_at(number)
            if self.record is None and not (self.naming.is_own and self.path.is_dir()):
                missing += 1
                if missing == LONGEST_GAP:
                    return
            elif not self.folders.is_taken(self.record_path, self._id):
                missing = 0
                yield number

    def _is_mine(self) -> bool:
        if self.record is not None:
            return self.existing != RENAME and self.sound.is_same(self.record)
        present = [path for path in map(self.place, self.files) if os.path.lexists(path)]
        if not self.naming.is_own:
            return not present
        if any(not path.is_dir() for path in present):
            return False
        try:
            files = [path for path in self.path.iterdir() if path.is_file()]
        except FileNotFoundError as error:
            if self.path.is_symlink():  # to a missing folder
                raise _in_the_way(self.path) from error
            return True
        except OSError as error:
            raise output_error(self.path, error) from error
        stems = {*self.sources, *(COMPLEMENT_PREFIX + source for source in self.sources)}
        return not any(stems.issuperset(file.stem.casefold().split(PLUS)) for file in files)


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


def file_key(path: StrPath) -> str:
    """Return one key for all names that some file systems treat as the same: other case, other encoding of accents."""
    return unicodedata.normalize("NFC", os.path.normpath(path)).casefold()


def _file_id(path: StrPath) -> FileId:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _in_the_way(path: Path) -> OutputError:
    return output_error(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
