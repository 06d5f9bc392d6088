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
    """Cause of an error: decides between HTTP status 400 and 500, and whether a retry can succeed."""

    SONG = "song"
    """The cause is the song or the request: the same request fails again."""
    OURS = "ours"
    """The cause is this machine or this program: the same request may succeed later."""


class UnbraidError(Exception):
    """Base of all expected errors.

    `reason` is one finished line: what happened, and what to do next. `subject` is the name of the file or folder that
    the reason is about; the reason then lacks a subject ("is empty. Copy or download it again."). The interface that
    shows the error adds the subject by the name its reader knows, and may add advice or replace the line
    (`unbraid.jobs.messages` for the web app and AWS). `fault` is a class attribute that an instance may override.
    """

    fault: Fault = Fault.OURS
    passes: bool = False
    """Whether the cause goes away by itself or by what the reason advises, though the request is at fault."""

    def __init__(self, reason: str, *, subject: str | None = None, fault: Fault | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.subject = subject
        if fault is not None:
            self.fault = fault

    def __str__(self) -> str:
        return self.message

    @property
    def can_retry(self) -> bool:
        """Whether the same request may succeed later."""
        return self.passes or self.fault == Fault.OURS

    @property
    def message(self) -> str:
        """Subject and reason as one line."""
        return self.message_about(self.subject)

    def message_about(self, subject: str | None) -> str:
        """Return the line with another name for the subject, such as the name that the user gave the file.

        The line of an error without a subject stays as it is.
        """
        return self.reason if self.subject is None or subject is None else f"{subject} {self.reason}"


@dataclass(frozen=True, slots=True)
class SongWarning:
    """A problem of a song that didn't stop the work. `subject` is the name of its file.

    `advice` is a sentence for users of the command line and of Python, who have more options than those of the web app.
    """

    subject: str
    reason: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.message_about(self.subject)} {self.advice}".rstrip()

    def message_about(self, subject: str) -> str:
        """Return the line with another name for the subject, such as the name that the user gave the file."""
        return f"{subject} {self.reason}"


class InputError(UnbraidError):
    """The song is unreadable: missing, a folder, empty, broken, or not audio."""

    fault = Fault.SONG


class NotAudio(InputError):  # noqa: N818 - named for what the file is
    """The file has no sound that can be read: it is another kind of file, or damaged from its start."""


class WriteProblem(StrEnum):
    """Why a file or folder can't be written."""

    DISK_FULL = "disk full"
    TOO_LARGE = "too large"
    NO_PERMISSION = "no permission"
    NO_FOLDER = "no folder"
    FILE_IN_THE_WAY = "file in the way"
    IS_FOLDER = "is a folder"
    NAME_TOO_LONG = "name too long"
    IS_SONG = "is a song"
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
        """Return the line. Its subject stays the output file; callers pass the name of a song."""
        return self.message_with("")

    def message_with(self, option: str) -> str:
        """Return the line with the `option` that sets the output folder, such as " (-o)"."""
        return f"{super().message_about(self.subject)} {self.advice.format(option=option)}".rstrip()

    def moved_to(self, path: Path) -> OutputError:
        """Return the same error for another path, such as the final place of a file instead of its hidden one."""
        return OutputError(self.reason, path=path, problem=self.problem, advice=self.advice)


class ModelError(UnbraidError):
    """The model is unusable: unknown, not downloaded, altered, or not supported by this version."""

    fault = Fault.SONG

    def message_about(self, subject: str | None) -> str:
        """Return the line. Its subject stays the model; callers pass the name of a song."""
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
    """A session can't carry out the request. Subclasses have the name of the answer."""

    fault = Fault.SONG


class SessionNotFound(JobError):  # noqa: N818
    """The session doesn't exist or has expired."""


class Forbidden(JobError):  # noqa: N818
    """The session belongs to another user."""


class UploadMissing(JobError):  # noqa: N818
    """The song hasn't been uploaded yet, or its file is gone."""

    passes = True


class Busy(JobError):  # noqa: N818
    """The session is already working on something else, or the user has too many waiting."""

    passes = True


class LimitReached(JobError):  # noqa: N818
    """The client has used up what it may use for now. The same request may succeed in `retry_after_s` seconds."""

    passes = True

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class TooLarge(JobError):  # noqa: N818
    """The song is larger or longer than the limits allow."""


class UnsupportedMedia(JobError):  # noqa: N818
    """The file is clearly not audio or video."""


class Unavailable(JobError):  # noqa: N818
    """The request can't be carried out at the moment. The same request may succeed later."""

    fault = Fault.OURS


class StorageFull(JobError):  # noqa: N818
    """Too little free space for another upload."""

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
    LimitReached: 429,
    TooLarge: 413,
    UnsupportedMedia: 415,
    Unavailable: 503,
    StorageFull: 507,
}


def exit_code(error: UnbraidError) -> int:
    """Return the exit code of `error`, by its nearest class in the table."""
    return next(EXIT_CODES[cls] for cls in type(error).__mro__ if cls in EXIT_CODES)


def http_status(error: UnbraidError) -> int:
    """Return the HTTP status of `error`, by its nearest class in the table."""
    return next(HTTP_STATUS[cls] for cls in type(error).__mro__ if cls in HTTP_STATUS)
