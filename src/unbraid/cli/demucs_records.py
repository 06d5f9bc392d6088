"""Records of the songs of `unbraid demucs`: which song its files come from.

Records are in the cache, because the output folder contains the files of demucs and no others. Without a record, as
after a run of demucs itself, the rules for files of unknown songs hold.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from unbraid.audio.formats import FORMATS
from unbraid.cli.demucs_names import file_format
from unbraid.errors import InputError
from unbraid.separation.folders import file_key
from unbraid.separation.record_cache import records_folder
from unbraid.separation.song_record import SongRecord, SongSound, read_record


@dataclass(frozen=True, slots=True)
class DemucsRecords:
    """The records of the songs in `folder`, the model's folder."""

    folder: Path

    def place(self, name: Path) -> Path:
        """Return the record of the song whose files would be `name` without a stem and a format."""
        key = hashlib.sha256(os.fsencode(file_key(self.folder.absolute() / name))).hexdigest()[:32]
        return records_folder() / f"{key}.json"

    def is_free(self, song: Path, name: Path, files: Sequence[Path], *, own_folder: bool) -> bool:
        """Whether `files` may be written for `song` without replacing, or mixing with, those of another song.

        `own_folder`: whether the song has a folder of its own. Files of unknown songs there are replaced if this run
        writes all of them.
        """
        record = read_record(self.place(name))
        if record is not None and any(self._is_there(*file) for file in record.files.items()):
            try:
                return SongSound(song).is_same(record)
            except InputError:
                return True  # the error comes when the song is read
        return not (own_folder and self._others_beside(files))

    def _is_there(self, name: str, size: int | None) -> bool:
        """Whether a file of a record is still there."""
        try:
            return (self.folder / name).stat().st_size == size or size is None
        except OSError:
            return False

    def _others_beside(self, files: Sequence[Path]) -> bool:
        """Whether stems that aren't among `files` are in their folders."""
        targets = {self.folder / file for file in files}
        return any(
            file_format(path) in FORMATS and path not in targets
            for folder in {target.parent for target in targets}
            for path in (folder.iterdir() if folder.is_dir() else ())
        )


@dataclass(slots=True)
class RecordUpdate:
    """The record of a song whose files are being replaced. A record that can't be written is missing later."""

    records: DemucsRecords
    place: Path
    sound: SongSound
    targets: Collection[Path]
    """The new files."""
    _older: SongRecord | None = field(init=False)

    def __post_init__(self) -> None:
        self._older = read_record(self.place)

    def obsolete(self) -> list[Path]:
        """Return files of an earlier run that aren't replaced."""
        if self._older is None:
            return []
        new = {file_key(target) for target in self.targets}
        older = [self.records.folder / name for name in self._older.files]
        return [path for path in older if path.is_file() and file_key(path) not in new]

    def begin(self) -> None:
        """Say that older and new files belong to this song."""
        names = {*(self._older.files if self._older else ()), *self._targets()}
        self._save(dict.fromkeys(sorted(names)))

    def finish(self) -> None:
        """Say that only the new files belong to it."""
        with suppress(OSError):
            self._save({name: path.stat().st_size for name, path in self._targets().items()})

    def _targets(self) -> dict[str, Path]:
        """Return the new files in the model's folder, by their path relative to it."""
        inside = [file for file in self.targets if file.is_relative_to(self.records.folder)]
        return {str(file.relative_to(self.records.folder)): file for file in inside}

    def _save(self, files: Mapping[str, int | None]) -> None:
        with suppress(OSError, InputError):  # the cache is read-only, or the song is gone
            self.place.parent.mkdir(parents=True, exist_ok=True)
            folder = os.path.realpath(self.records.folder)
            SongRecord(self.sound.sha256, files, self.sound.source, folder=folder).save(self.place)
