"""The disk that is worked on: folders that go by themselves, and what it refuses, told without naming its folders."""

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
def in_users_words() -> Iterator[None]:
    """Inside, an OutputError of the command line, with its folders and options, becomes one without."""
    try:
        yield
    except OutputError as error:
        if not error.problem.is_lack_of_space:
            log.exception("files can't be written")
        raise storage_error(error.problem) from error


def storage_error(problem: WriteProblem) -> OutputError:
    """Return the error that a user of the app reads, without its folders."""
    return OutputError(NO_ROOM if problem.is_lack_of_space else NOT_STORED, problem=problem)


@contextmanager
def work_folder(scratch: Path) -> Iterator[Path]:
    """A folder of its own in `scratch`, which is made. It goes at the end, or, after a kill, before the next is made.

    Raises OutputError.
    """
    with in_users_words(), report_output_errors(scratch):
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = WorkFolder(scratch)
    with work as path:
        yield path
