"""One worker of a cluster: it loads a model once, and separates songs from the storage into the storage."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from unbraid import __version__
from unbraid.audio.named import is_named_audio
from unbraid.audio.stem_names import ALL
from unbraid.cluster.storage import Storage, StoredSong
from unbraid.errors import NotAudio, SettingError, UnbraidError
from unbraid.out_of_memory import report_out_of_memory
from unbraid.separation import Result, Separator
from unbraid.separation.naming import numbered
from unbraid.separation.song_record import RECORD, SongRecord, SourceFile, read_record

DONE, SKIPPED, NOT_AUDIO, FAILED = "done", "skipped", "not_audio", "failed"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """What all workers do: the same for every song."""

    source: str
    """URL of the folder of songs."""
    out: str
    """URL of the folder for the stems."""
    separator: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of Separator."""
    stems: str | None = None
    """Stems to write; None: `for_stems` of the separator, or all if the model doesn't have it."""
    files: Mapping[str, Any] = field(default_factory=dict)
    """Other options of `Separator.separate_to_files`, those that `Separator.recipe` takes."""
    replace: bool = False
    """Separate songs again whose stems are there already."""
    version: str = __version__
    """Version of Unbraid that planned the task."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a song."""

    song: str
    """Path below the folder of songs."""
    status: str
    """DONE, SKIPPED, NOT_AUDIO or FAILED."""
    folder: str = ""
    """Folder of the stems, below the folder for all stems."""
    duration_s: float = 0.0
    """Length of the song."""
    seconds: float = 0.0
    """Working time."""
    error: str = ""
    """What went wrong, in one line that names the song."""
    warnings: tuple[str, ...] = ()


class SongWorker:
    """Separates songs one by one, or two at the same time: one is downloaded or uploaded while the other computes.

    Thread-safe. Raises SettingError and ModelError.
    """

    def __init__(self, task: Task) -> None:
        if task.version != __version__:
            raise SettingError(
                f"A machine of the cluster has Unbraid {__version__}, and this one {task.version}. Install one version."
            )
        self._task = task
        self._songs, self._stems = Storage(task.source), Storage(task.out)
        self._separator = Separator(**task.separator)
        sources, for_stems = self._separator.sources, task.separator.get("for_stems")
        stems = task.stems or (for_stems if for_stems in sources else ALL)
        self._files = {**task.files, "stems": stems}
        self._recipe = self._separator.recipe(**self._files)

    def separate(self, song: StoredSong) -> Outcome:
        """Separate a song, and upload its stems. An error is part of the outcome, so that other songs go on."""
        try:
            with report_out_of_memory(), tempfile.TemporaryDirectory(prefix="unbraid-") as scratch:
                return self._separate(song, Path(scratch))
        except UnbraidError as error:
            is_song = not isinstance(error, NotAudio) or is_named_audio(song.path)
            line = f"{song.label} {error.reason}" if error.subject else f"{song.label}: {error.message}"
            return Outcome(song.label, FAILED if is_song else NOT_AUDIO, error=line)
        except Exception as error:  # each storage has its own errors
            log.warning("a song failed", exc_info=True)
            return Outcome(song.label, FAILED, error=f"{song.label}: {type(error).__name__}: {error}")

    def _separate(self, song: StoredSong, scratch: Path) -> Outcome:
        source = SourceFile(self._songs.url_of(song), song.size, song.modified_ns)
        folder, record = self._folder_of(song, source)
        if record is not None and not self._task.replace and self._is_done(record, source, folder):
            assert record.making is not None
            return Outcome(song.label, SKIPPED, folder, record.making.duration_s)
        local = scratch / "song" / song.path.rpartition("/")[2]
        local.parent.mkdir()
        self._songs.download(song, local)
        result = self._separator.separate_to_files(local, scratch / "stems", name=song.name, **self._files)
        shutil.rmtree(local.parent)
        self._upload(scratch / "stems" / song.name, folder, source, record)
        return _done(song, folder, result)

    def _folder_of(self, song: StoredSong, source: SourceFile) -> tuple[str, SongRecord | None]:
        """Return the folder for the stems of a song, and its record: NAME, or NAME (2) if that is another song's."""
        for number in count(1):
            folder = f"{song.folder}/{numbered(song.name, number)}".lstrip("/")
            record = self._stems.read_record(folder)
            if record is None:
                if not self._stems.sizes(folder):
                    return folder, None
            elif record.source is not None and record.source.path == source.path:
                return folder, record
        raise AssertionError

    def _is_done(self, record: SongRecord, source: SourceFile, folder: str) -> bool:
        """Whether the stems of this version of the song were made by the same recipe, and are all there."""
        return (
            record.source == source
            and record.is_made_by(self._recipe)
            and record.files.items() <= self._stems.sizes(folder).items()
        )

    def _upload(self, made: Path, folder: str, source: SourceFile, old: SongRecord | None) -> None:
        """Replace the files in `folder`. Until the new record is there, the song counts as unfinished."""
        record = read_record(made / RECORD)
        assert record is not None
        names = sorted({*record.files, *(old.files if old else ())})
        self._stems.write_record(folder, SongRecord(record.sha256, dict.fromkeys(names), source))
        for name in record.files:
            self._stems.upload(made / name, folder, name)
        for name in set(names) - set(record.files):
            self._stems.remove(folder, name)
        self._stems.write_record(folder, replace(record, source=source))


def _done(song: StoredSong, folder: str, result: Result) -> Outcome:
    warnings = tuple(str(warning) for warning in result.warnings)
    return Outcome(song.label, DONE, folder, result.duration_s, result.seconds, warnings=warnings)
