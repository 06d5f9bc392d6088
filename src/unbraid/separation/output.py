"""Write the files of a song in a hidden folder, and publish them together."""

from __future__ import annotations

import errno
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType

from unbraid.errors import OutputError
from unbraid.files.move_all import make_folder, move_all
from unbraid.files.oserrors import report_output_errors
from unbraid.files.workfolder import WorkFolder
from unbraid.separation.folders import SongFolder
from unbraid.separation.song_record import Making

# Folders that this process created for stems -> number of HiddenFolders that use each. The last user removes the folder
# if it is empty.
_created: dict[Path, int] = {}
_lock = Lock()


class HiddenFolder:
    """Context manager for a hidden folder in `out_dir`, which is created if needed.

    At the end, the hidden folder and the empty folders that were created for it are removed. Raises OutputError.
    """

    def __init__(self, out_dir: Path) -> None:
        self._out_dir = out_dir
        self._within: list[Path] = []

    def __enter__(self) -> HiddenFolder:
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.remove()
        self._remove_folders()
        if isinstance(error, OutputError) and error.path and error.path.is_relative_to(self._work.path):
            raise error.moved_to(self._public(error.path)) from error

    def _public(self, path: Path) -> Path:
        """Return the place that the user knows for a hidden `path`."""
        return self._out_dir

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

    def _remove_folders(self) -> None:
        with _lock:
            for path in self._within:
                _created[path] -= 1
                if not _created[path]:
                    del _created[path]
                    with suppress(OSError):  # not empty
                        path.rmdir()


class StemFolder(HiddenFolder):
    """Hidden folder for the files of a song; `publish` moves them to the song's own folder, `target`."""

    def __init__(self, destination: SongFolder) -> None:
        super().__init__(destination.folders.out_dir)
        self._destination = destination

    def __enter__(self) -> StemFolder:
        with report_output_errors(self._out_dir):
            self.target = self._destination.choose()
        super().__enter__()
        return self

    def publish(self, making: Making | None = None) -> None:
        """Move the files in `stems` into the song's folder, all or none. Files of an earlier run are removed.

        The record comes last. Until then, a record without `making` says that the files are unfinished, so that a
        killed process leaves no files of two runs that count as done. Raises OutputError.
        """
        while not self._publish(making):
            pass  # another process has created the folder meanwhile

    def _publish(self, making: Making | None) -> bool:
        # Choose again: since the start, another process may have put another song's stems there.
        song = self._destination
        self.target = song.choose()
        self.warnings = song.warnings()
        with report_output_errors(self.target):
            song.new_record(making, self.stems).save(record := self.spool("record.json"))
            if song.naming.is_own and not self.target.exists():
                return self._publish_folder(record)
            song.unfinished_record().save(unfinished := self.spool("unfinished.json"))
        moves = [(self.stems / name, song.place(name)) for name in song.files]
        move_all(
            [(unfinished, song.record_path), *moves, (record, song.record_path)], obsolete=song.obsolete()
        )
        return True

    def _publish_folder(self, record: Path) -> bool:
        """Move all files at once, as a new folder. Return False if there is one meanwhile. Raises OSError."""
        song = self._destination
        new = self.spool("new")
        places = {self.stems / name: new / song.place(name).relative_to(self.target) for name in song.files}
        places[record] = new / song.record_path.name
        for hidden, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            hidden.rename(place)
        with ExitStack() as undo:
            try:
                make_folder(self.target.parent, undo)
                new.rename(self.target)
            except OSError as error:
                for hidden, place in places.items():
                    place.rename(hidden)
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    return False
                raise
            undo.pop_all()
        return True

    def _public(self, path: Path) -> Path:
        """See HiddenFolder."""
        if path.parent == self.stems and path.name in self._destination.files:
            return self._destination.place(path.name)
        return self.target / path.name if path.parent == self.stems else self._out_dir
