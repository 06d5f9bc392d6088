"""Errors a user can meet, with the exit code and HTTP status of each.

Any other exception that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Fault(StrEnum):
    """Where the cause of an error lies: decides between 400 and 500, and whether a retry can succeed."""

    SONG = "song"
    """In the song or in the request: the same request fails again."""
    OURS = "ours"
    """In this machine or this program: the same request may succeed later."""


class UnbraidError(Exception):
    """Base of all expected errors.

    An error carries data; sentences are made where it is shown. `reason` is one line that says what happened and what
    to do next, without a subject if `subject` is given ("is empty. Copy or download it again."). `subject` is the name
    of the file or folder that the reason is about. `fault` is a class attribute that an instance may override.
    """

    fault: Fault = Fault.OURS

    def __init__(self, reason: str, *, subject: str | None = None, fault: Fault | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.subject = subject
        if fault is not None:
            self.fault = fault

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """Subject and reason as one line."""
        return self.message_about(self.subject)

    def message_about(self, subject: str | None) -> str:
        """Return the line with another name for the subject: the one its reader knows.

        An error without a subject isn't about a file and stays as it is.
        """
        return self.reason if self.subject is None or subject is None else f"{subject} {self.reason}"


@dataclass(frozen=True, slots=True)
class SongWarning:
    """Something wrong with a song that didn't stop the work. `subject` is the name of its file."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return self.message_about(self.subject)

    def message_about(self, subject: str) -> str:
        """Return the line with another name for the subject: the one its reader knows."""
        return f"{subject} {self.reason}"


class InputError(UnbraidError):
    """The song is unreadable: missing, a folder, empty, broken, or not audio."""

    fault = Fault.SONG


class WriteProblem(StrEnum):
    """Why a file or folder can't be written."""

    DISK_FULL = "disk full"
    TOO_LARGE = "too large"
    NO_PERMISSION = "no permission"
    NO_FOLDER = "no folder"
    FILE_IN_THE_WAY = "file in the way"
    IS_FOLDER = "is a folder"
    NAME_TOO_LONG = "name too long"
    OTHER = "other"

    @property
    def is_lack_of_space(self) -> bool:
        """Whether more space would help."""
        return self in (WriteProblem.DISK_FULL, WriteProblem.TOO_LARGE)


class OutputError(UnbraidError):
    """A file or folder can't be written: `path`, and `problem` says why.

    `advice` is a sentence that says what to do; `{option}` in it is the place for a command-line option.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: Path | None = None,
        problem: WriteProblem = WriteProblem.OTHER,
        advice: str = "",
    ) -> None:
        super().__init__(reason, subject=None if path is None else str(path))
        self.path = path
        self.problem = problem
        self.advice = advice

    def message_about(self, subject: str | None) -> str:
        """Return the line; its subject is the output, and never the song."""
        return self.message_with("")

    def message_with(self, option: str) -> str:
        """Return the line with the `option` that sets the output folder, such as " (-o)"."""
        return f"{super().message_about(self.subject)} {self.advice.format(option=option)}".rstrip()

    def moved_to(self, path: Path) -> OutputError:
        """Return the same error for another path: the one its reader knows."""
        return OutputError(self.reason, path=path, problem=self.problem, advice=self.advice)


class ModelError(UnbraidError):
    """The model is unusable: unknown, not downloaded, altered, or not supported by this version."""

    fault = Fault.SONG

    def message_about(self, subject: str | None) -> str:
        """Return the line; its subject is the model, and never the song."""
        return super().message_about(self.subject)


class OutOfMemory(UnbraidError):  # noqa: N818 - named for what happened
    """There is not enough memory."""


class SettingError(UnbraidError):
    """An option has an invalid value; `field` is its name in the HTTP API, if it has one."""

    fault = Fault.SONG

    def __init__(self, reason: str, field: str | None = None, *, subject: str | None = None) -> None:
        super().__init__(reason, subject=subject)
        self.field = field


class Cancelled(UnbraidError):  # noqa: N818 - nothing went wrong
    """The user stopped the work; no unfinished file remains."""

    fault = Fault.SONG

    def __init__(self, reason: str = "cancelled") -> None:
        super().__init__(reason)


class JobError(UnbraidError):
    """A session can't do what the request asks for. Subclasses are named after the answer, not after an error."""

    fault = Fault.SONG


class SessionNotFound(JobError):  # noqa: N818
    """The session doesn't exist or has expired."""


class Forbidden(JobError):  # noqa: N818
    """The session belongs to another user."""


class UploadMissing(JobError):  # noqa: N818
    """The song hasn't been uploaded yet, or its file is gone."""


class Busy(JobError):  # noqa: N818
    """The session is already working on something else, or the user has too many waiting."""


class TooLarge(JobError):  # noqa: N818
    """The song is larger or longer than the limits allow."""


class UnsupportedMedia(JobError):  # noqa: N818
    """The file is plainly not audio or video."""


class StorageFull(JobError):  # noqa: N818
    """The disk is full."""

    fault = Fault.OURS


# 0 all done, 1 some song failed, 2 usage; 130 is what shells give for Ctrl-C (128 + SIGINT).
EXIT_CODES: dict[type[UnbraidError], int] = {
    UnbraidError: 1,
    InputError: 1,
    OutputError: 1,
    ModelError: 1,
    OutOfMemory: 1,
    SettingError: 2,
    Cancelled: 130,
    JobError: 1,
}

# 499 is the widely used "client closed request": the client stopped the work itself.
HTTP_STATUS: dict[type[UnbraidError], int] = {
    UnbraidError: 500,
    InputError: 400,
    OutputError: 507,
    ModelError: 422,
    OutOfMemory: 500,
    SettingError: 422,
    Cancelled: 499,
    JobError: 500,
    SessionNotFound: 404,
    Forbidden: 403,
    UploadMissing: 409,
    Busy: 409,
    TooLarge: 413,
    UnsupportedMedia: 415,
    StorageFull: 507,
}


def exit_code(error: UnbraidError) -> int:
    """Return the exit code of `error`, by its nearest class in the table."""
    return next(EXIT_CODES[cls] for cls in type(error).__mro__ if cls in EXIT_CODES)


def http_status(error: UnbraidError) -> int:
    """Return the HTTP status of `error`, by its nearest class in the table."""
    return next(HTTP_STATUS[cls] for cls in type(error).__mro__ if cls in HTTP_STATUS)
