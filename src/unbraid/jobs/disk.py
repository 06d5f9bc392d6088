"""Create temporary folders for jobs, and hide the server's folders in disk errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unbraid.errors import OutputError, WriteProblem
from unbraid.files.oserrors import report_output_errors
from unbraid.files.workfolder import WorkFolder
from unbraid.jobs.messages import NO_ROOM, NOT_STORED

log = logging.getLogger(__name__)


@contextmanager
def hide_folders() -> Iterator[None]:
    """Convert an OutputError, which names folders and options, to an error for users of the app."""
    try:
        yield
    except OutputError as error:
        if not error.problem.is_lack_of_space:
            log.exception("files can't be written")
        raise storage_error(error.problem) from error


def storage_error(problem: WriteProblem) -> OutputError:
    """Return the error for users of the app, without folders."""
    return OutputError(NO_ROOM if problem.is_lack_of_space else NOT_STORED, problem=problem)


@contextmanager
def work_folder(scratch: Path) -> Iterator[Path]:
    """Create a temporary folder in `scratch`, and remove it at the end. Raises OutputError.

    If the process is killed, the next work folder's creation removes the old one.
    """
    with hide_folders(), report_output_errors(scratch):
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = WorkFolder(scratch)
    with work as path:
        yield path
