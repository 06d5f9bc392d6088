"""Move several files to their places, all or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from unbraid.files.oserrors import report_output_errors


def move_all(moves: Sequence[tuple[Path, Path]], remove: Sequence[Path] = ()) -> None:
    """Move each source to its target, which replaces an older file there, and remove the files `remove`.

    On an error, everything is as before. A source is in a temporary folder on the file system of its target; older
    files are left there. Raises OutputError about the target.
    """
    with ExitStack() as undo:
        for number, (source, target) in enumerate(moves):
            check_replaceable(target)
            with report_output_errors(target):
                _put_aside(target, source.parent / f".old-{number}", undo)
                source.rename(target)
                undo.callback(_restore, target, source)
        for number, path in enumerate(remove):
            with report_output_errors(path):
                _put_aside(path, moves[0][0].parent / f".removed-{number}", undo)
        undo.pop_all()


def check_replaceable(path: Path) -> None:
    """Raise OutputError if something at `path` is in the way of a new file: a folder, or a read-only file."""
    with report_output_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.is_file() and not path.stat().st_mode & 0o222:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _put_aside(path: Path, aside: Path, undo: ExitStack) -> None:
    """Move the file `path`, if there is one, to `aside`."""
    with suppress(FileNotFoundError):
        path.rename(aside)
        undo.callback(_restore, aside, path)


def _restore(path: Path, original: Path) -> None:
    with suppress(OSError):  # the error that is being reported matters more
        path.rename(original)
