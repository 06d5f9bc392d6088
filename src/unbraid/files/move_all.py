"""Move several files to their places and remove others, all or none."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from unbraid.files.oserrors import report_output_errors


def move_all(moves: Sequence[tuple[Path, Path]], obsolete: Sequence[Path] = ()) -> None:
    """Move each source to its target, which replaces an older file there. Then remove the `obsolete` files.

    The last move comes after the removals. Folders of targets are created. On an error, everything is as before. A
    source is in a temporary folder on the file system of its target; older files are left there. Raises OutputError
    about the target.
    """
    with ExitStack() as undo:
        aside = moves[-1][0].parent
        for number, (source, target) in enumerate(moves):
            if number == len(moves) - 1:
                for other, path in enumerate(obsolete):
                    _remove(path, aside / f".obsolete-{other}", undo)
            check_replaceable(target)
            with report_output_errors(target):
                make_folder(target.parent, undo)
                undo.callback(_restore, target, _keep(target, source.parent / f".old-{number}"))
                source.replace(target)
        undo.pop_all()


def make_folder(folder: Path, undo: ExitStack) -> None:
    """Make `folder` and its missing parents. `undo` removes them again. Raises OSError."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(exist_ok=True)
        undo.callback(remove_empty, path)


def remove_empty(folder: Path) -> None:
    """Remove `folder` unless it contains something."""
    with suppress(OSError):
        folder.rmdir()


def _remove(path: Path, aside: Path, undo: ExitStack) -> None:
    with report_output_errors(path):
        undo.callback(_restore, path, _keep(path, aside))
        path.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raise OutputError if something at `path` is in the way of a new file: a folder, or a read-only file."""
    with report_output_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.is_file() and not path.stat().st_mode & 0o222:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _keep(path: Path, aside: Path) -> Path | None:
    """Link the file `path` to `aside`, so that it survives its replacement. Return `aside`; None if `path` is missing.

    Where hard links exist, the file is never missing: if the process is killed, the older or the new file is there.
    """
    try:
        os.link(path, aside, follow_symlinks=False)
        return aside
    except FileNotFoundError:
        return None
    except (OSError, NotImplementedError):  # a file system without hard links
        with suppress(FileNotFoundError):
            return path.rename(aside)
    return None


def _restore(path: Path, kept: Path | None) -> None:
    """Put the older file back, or remove the new one if there was none."""
    with suppress(OSError):  # the error that is being reported matters more
        if kept is None:
            path.unlink(missing_ok=True)
        else:
            kept.replace(path)
