"""What an invocation is answered with."""

from __future__ import annotations

from typing import Any, NamedTuple

from unbraid.aws.container.requests import Invocation
from unbraid.jobs.disk import NO_ROOM, NOT_STORED
from unbraid.jobs.runner import NO_MEMORY, OUR_FAULT
from unbraid.jobs.session import Session, State

# How messages of failures begin that are not the song's: the same song may be separated another time.
OURS = (
    OUR_FAULT,
    NO_MEMORY,
    NO_ROOM,
    NOT_STORED,
    "It could not be queued",
    "Separating this song made the program stop",
)


class Answer(NamedTuple):
    """The status of HTTP, and what becomes JSON."""

    status: int
    body: dict[str, Any]


def error(status: int, message: str) -> Answer:
    """Something went wrong, and `message` says what."""
    return Answer(status, {"status": "error", "error": message})


def is_ours(message: str) -> bool:
    """Whether what failed with this message was not the song's fault."""
    return message.startswith(OURS) or "can't be downloaded" in message


def of(session: Session, invocation: Invocation) -> Answer:
    """The end of a session: always the same, whoever asks and however often."""
    if session.state == State.COMPLETED:
        files = [
            {"filename": output.filename, "s3_uri": invocation.uri_of(output.filename)}
            for output in session.outputs
        ]
        return Answer(200, {"status": "success", "session_id": session.id, "output_files": files})
    if session.state == State.CANCELLED:
        return error(409, "The session was cancelled.")
    message = session.error_message or OUR_FAULT
    return error(500 if is_ours(message) else 400, message)


DELETED = error(404, "The session was deleted.")
NOT_STARTED = error(409, "The session was not started. POST /process does that.")
ELSEWHERE = error(400, "input_s3_uri and output_s3_prefix are not those of this session.")
ANOTHER = error(
    400, "This session_id stands for another song or other choices. Give each song an id of its own."
)
LEAVING = error(503, "This container is being stopped. Ask again; another one goes on.")
LOADING = error(503, "The model is being loaded. Ask again in some seconds.")
READY = Answer(200, {"status": "ready"})
FAULT = error(500, OUR_FAULT)
TOO_LARGE = error(413, "The request is too large. It names a song; the song itself lies in a bucket.")
