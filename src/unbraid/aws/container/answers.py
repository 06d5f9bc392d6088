"""The answers to invocations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from unbraid.aws.container.requests import Invocation
from unbraid.errors import Fault
from unbraid.jobs.messages import INTERNAL, Failure
from unbraid.jobs.session import Output, Session, State


class Answer(NamedTuple):
    """HTTP status, and the body that becomes JSON."""

    status: int
    body: dict[str, Any]


def error(status: int, message: str) -> Answer:
    """Make the answer for an error."""
    return Answer(status, {"status": "error", "error": message})


def success(invocation: Invocation, outputs: Sequence[Output]) -> Answer:
    """Make the answer that lists the output files."""
    files = [
        {"filename": output.filename, "s3_uri": invocation.uri_of(output.filename)} for output in outputs
    ]
    return Answer(200, {"status": "success", "session_id": invocation.session_id, "output_files": files})


def failed(failure: Failure) -> Answer:
    """Make the answer for a song that was not separated: 400 if the song is the cause, otherwise 500."""
    return error(400 if failure.fault == Fault.SONG else 500, failure.message)


def of_session(session: Session, invocation: Invocation) -> Answer:
    """Make the answer for a session that has ended: the same however often a client asks."""
    if session.state == State.COMPLETED:
        return success(invocation, session.outputs)
    if session.state == State.CANCELLED:
        return error(409, "The session was cancelled.")
    return failed(Failure(session.error_message or INTERNAL, session.error_fault or Fault.OURS))


DELETED = error(404, "The session was deleted.")
NOT_STARTED = error(409, "The session was not started. Call POST /process first.")
WRONG_PLACE = error(400, "input_s3_uri and output_s3_prefix don't belong to this session.")
ID_IN_USE = error(
    400, "This session_id was used for another song or other options. Use a new id for each song."
)
STOPPING = error(503, "This container is stopping. Ask again; another one will take over.")
LOADING = error(503, "The model is loading. Ask again in a few seconds.")
READY = Answer(200, {"status": "ready"})
INTERNAL_ERROR = error(500, INTERNAL)
TOO_LARGE = error(413, "The request is too large. Send the S3 address of the song, not the song itself.")
