"""Write the files of a song in a hidden folder, and publish them together."""

from __future__ import annotations

import errno
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType

from unbraid.errors import OutputError
from unbraid.files.move_all import move_all
from unbraid.files.oserrors import report_output_errors
from unbraid.files.workfolder import WorkFolder
from unbraid.separation.folders import SongFolder

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
    """Hidden folder for the stems of a song; `publish` moves them to the song's own folder, `target`."""

    def __init__(self, destination: SongFolder) -> None:
        super().__init__(destination.folders.out_dir)
        self._destination = destination

    def __enter__(self) -> StemFolder:
        with report_output_errors(self._out_dir):
            self.target = self._destination.choose()
        super().__enter__()
        return self

    def publish(self) -> None:
        """Move the files in `stems` into the song's folder, all or none. Older files of the same names are replaced.

        Raises OutputError.
        """
        while not self._publish():
            pass  # another process has created the folder meanwhile

    def _publish(self) -> bool:
        # Choose again: since the start, another process may have put another song's stems there.
        self.target = self._destination.choose()
        self.warnings = self._destination.warnings()
        with report_output_errors(self.target):
            self._destination.new_record.save(self.stems)
            if not self.target.exists():
                try:
                    self.stems.rename(self.target)
                except OSError as error:
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                        return False
                    raise
                return True
        move_all([(path, self.target / path.name) for path in sorted(self.stems.iterdir())])
        return True

    def _public(self, path: Path) -> Path:
        return self.target / path.name if path.parent == self.stems else self._out_dir
