"""An atomic output file that turns errors of the system and of FFmpeg into OutputError."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av

from unbraid.files.atomic import AtomicFile
from unbraid.files.oserrors import output_error, report_output_errors


class OutputFile(AtomicFile):
    """AtomicFile that raises OutputError: `file` is open for reading and writing; `commit` puts it at `path`."""

    def __init__(self, path: Path) -> None:
        with report_output_errors(path):
            super().__init__(path)

    def commit(self, *, replace: bool = True) -> None:
        """Put the complete file at `path`. Raises OutputError."""
        with self.discard_on_error():
            super().commit(replace=replace)

    @contextlib.contextmanager
    def discard_on_error(self) -> Iterator[None]:
        """Remove the file on any error inside; an error of the system or of FFmpeg becomes an OutputError."""
        try:
            yield
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError | av.FFmpegError) and not isinstance(error, MemoryError):
                raise output_error(self.path, error) from error  # FFmpeg's MemoryError is an OSError too
            raise
