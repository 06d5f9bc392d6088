"""Records of the songs of `unbraid demucs`. They are in `OUT/.unbraid`, because scripts list the other folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from unbraid.audio.formats import FORMATS
from unbraid.cli.demucs_names import file_format
from unbraid.errors import InputError
from unbraid.files.move_all import remove_empty
from unbraid.files.oserrors import report_output_errors
from unbraid.separation.folders import file_key
from unbraid.separation.song_record import SongRecord, SongSound, read_record

RECORDS = ".unbraid"


@dataclass(frozen=True, slots=True)
class DemucsRecords:
    """The records of the songs in `out / model`."""

    out: Path
    model: str

    @property
    def folder(self) -> Path:
        """Folder of the model's songs."""
        return self.out / self.model

    def place(self, name: Path) -> Path:
        """Return the record of the song whose files would be `name` without a stem and a format."""
        key = hashlib.sha256(os.fsencode(file_key(name))).hexdigest()[:32]
        return self.out / RECORDS / self.model / f"{key}.json"

    def is_free(self, song: Path, name: Path, files: Sequence[Path], *, own_folder: bool) -> bool:
        """Whether `files` may be written for `song` without replacing, or mixing with, those of another song.

        `own_folder`: whether the song has a folder of its own. Files that demucs or an older version left there have no
        record. They are replaced if this run writes all of them.
        """
        record = read_record(self.place(name))
        if record is not None and any((self.folder / older).exists() for older in record.files):
            try:
                return SongSound(song).is_same(record)
            except InputError:
                return True  # the error comes when the song is read
        return not (own_folder and self._others_beside(files))

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
    """The record of a song whose files are being replaced."""

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
        """Say that older and new files belong to this song. Raises OutputError."""
        self._save({*(self._older.files if self._older else ()), *self._names()})

    def finish(self) -> None:
        """Say that only the new files belong to it. Raises OutputError."""
        self._save(self._names())

    def cancel(self) -> None:
        """Remove the record if it is new, because no file was written."""
        if self._older is None:
            with suppress(OSError):
                self.place.unlink(missing_ok=True)
            for folder in (self.place.parent, self.records.out / RECORDS):
                remove_empty(folder)

    def _names(self) -> set[str]:
        inside = [file for file in self.targets if file.is_relative_to(self.records.folder)]
        return {str(file.relative_to(self.records.folder)) for file in inside}

    def _save(self, names: Collection[str]) -> None:
        try:
            sha256 = self.sound.sha256
        except InputError:  # the song is gone, but its stems are finished
            self.place.unlink(missing_ok=True)
            return
        with report_output_errors(self.place):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            SongRecord(sha256, dict.fromkeys(sorted(names)), self.sound.source).save(self.place)
