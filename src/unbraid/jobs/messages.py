"""Messages for users of the web app and AWS when a session fails, with the fault: the song's or ours.

Errors carry finished reasons (`unbraid.errors`). This module adds the song's name, or replaces reasons that are written
for the command line.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import NamedTuple

from unbraid.errors import Fault, InputError, UnbraidError
from unbraid.jobs.privacy import redact
from unbraid.out_of_memory import is_out_of_memory

INTERNAL = (
    "The app failed; your song is not the cause. Try again; if it happens again, tell the administrator."
)
NO_MEMORY = (
    "There is not enough memory for this model. Choose a smaller one, such as lite, or try again later."
)
NO_ROOM = (
    "There is no disk space left for the stems. Delete songs that you no longer need, or try again later."
)
DISK_FULL = "There is no disk space left for this. Delete songs that you no longer need, or try again later."
NOT_STORED = "The stems can't be stored. The administrator of this app has to check its disk."
TOO_MANY_AT_ONCE = "This song was not started: there were too many in one request. Send it again."
NOT_BEGUN = (
    "No machine could start to separate this song. Try again; if it happens again, tell the administrator."
)
OVER_15_MINUTES = (
    "Separating this song takes longer than 15 minutes, the limit here."
    " Choose a smaller model, such as lite, or cut the song into parts."
)
NOT_DEPLOYED = "No machine here can separate songs yet. They wait until the deployment is finished."
SONG_GONE = "The song was deleted or has expired. Upload it again."

log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Why a song was not separated."""

    message: str
    fault: Fault


def failure_of(error: Exception, song_name: str, model: str, *private: str) -> Failure:
    """Describe `error` to the user, whose name for the song is `song_name`. Log bugs, without `private` strings."""
    # Imported here: it loads an HTTP client, which only the processes that separate songs need.
    from unbraid.models.sources import DownloadError

    if is_out_of_memory(error) or any(is_out_of_memory(cause) for cause in causes(error)):
        return Failure(NO_MEMORY, Fault.OURS)
    if isinstance(error, DownloadError):
        message = (
            f"{model} can't be downloaded: {error.cause}. Choose lite, which is included, or try again later."
        )
        return Failure(message, Fault.OURS)
    if isinstance(error, InputError):
        return Failure(error.message_about(song_name), error.fault)
    if isinstance(error, UnbraidError):
        return Failure(error.message, error.fault)
    trace = "".join(traceback.format_exception(error))
    log.error("a job failed by an internal error:\n%s", redact(trace, song_name, *private))
    return Failure(INTERNAL, Fault.OURS)


def file_not_stored(cause: str) -> str:
    """Return the message for a file that can't be written, with the cause from the operating system."""
    return f"This can't be stored: {cause}. The administrator of this app has to check its disk."


def lowered(decibels: float) -> str:
    """Return the warning for stems that are quieter than in the song."""
    return f"The stems are {decibels:.1f} dB quieter than in the song. At its level, they would clip."


def crashed(times: int) -> str:
    """Return the message for a song whose separation has killed `times` workers."""
    count = {1: "", 2: " twice", 3: " three times"}.get(times, f" {times} times")
    return (
        f"Separating this song made the program stop{count}. "
        "Try another model, or convert the song to WAV or MP3 first."
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over an error and its chain of causes."""
    while error is not None:
        yield error
        error = error.__cause__
