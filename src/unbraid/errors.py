"""Every error a user can meet, and what it becomes on the command line and over HTTP.

A message says what happened and what to do next, in the user's words and in one line. Anything else that
escapes is a fault of ours and keeps its traceback.
"""

from __future__ import annotations


class UnbraidError(Exception):
    """Base of all expected errors; `message` is one line that can be shown as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InputError(UnbraidError):
    """The song can't be read: missing, a folder, empty, broken, or not sound."""


class OutputError(UnbraidError):
    """The stems can't be written: no permission, disk full, a file where a folder should be."""


class ModelError(UnbraidError):
    """The model can't be used: unknown, not downloaded, altered, or not runnable by this version."""


class SettingError(UnbraidError):
    """An option has a value that makes no sense (wrong usage); `field` is its name in the HTTP API, if it has one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Cancelled(UnbraidError):  # noqa: N818 - nothing went wrong
    """The user stopped the work; nothing half-written is left."""

    def __init__(self, message: str = "cancelled") -> None:
        super().__init__(message)


class JobError(UnbraidError):
    """A session can't do what is asked of it."""


class SessionNotFound(JobError):  # noqa: N818 - what is refused, not what went wrong; so for those below
    """There is no such session, or it has expired."""


class Forbidden(JobError):  # noqa: N818
    """The session is somebody else's."""


class UploadMissing(JobError):  # noqa: N818
    """The song is not here yet, or no longer."""


class Busy(JobError):  # noqa: N818
    """The session is at work on something else already, or the user has too many that wait."""


class TooLarge(JobError):  # noqa: N818
    """The song is larger or longer than what is taken."""


class UnsupportedMedia(JobError):  # noqa: N818
    """The file is plainly something else than sound or film."""


class StorageFull(JobError):  # noqa: N818
    """The disk is full."""


# 0 all done, 1 some song failed, 2 usage; 130 is what shells give for Ctrl-C (128 + SIGINT).
EXIT_CODES: dict[type[UnbraidError], int] = {
    UnbraidError: 1,
    InputError: 1,
    OutputError: 1,
    ModelError: 1,
    SettingError: 2,
    Cancelled: 130,
    JobError: 1,
}

# 499 is the widely used "client closed request": the work was stopped by whoever asked for it.
HTTP_STATUS: dict[type[UnbraidError], int] = {
    UnbraidError: 500,
    InputError: 400,
    OutputError: 507,
    ModelError: 422,
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
    """Exit code of `error`, by its nearest class in the table."""
    return next(EXIT_CODES[cls] for cls in type(error).__mro__ if cls in EXIT_CODES)


def http_status(error: UnbraidError) -> int:
    """HTTP status of `error`, by its nearest class in the table."""
    return next(HTTP_STATUS[cls] for cls in type(error).__mro__ if cls in HTTP_STATUS)
