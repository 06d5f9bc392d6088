"""Handlers for one song: upload, process, status, cancel, cleanup and the history."""

from __future__ import annotations

from unbraid.api.answers import process_answer, status_answer, upload_answer
from unbraid.api.call import Call
from unbraid.api.schemas import (
    CleanupAnswer,
    HistoryAnswer,
    HistoryQuery,
    ProcessAnswer,
    ProcessRequest,
    SessionPath,
    SessionRequest,
    StatusAnswer,
    UploadAnswer,
    UploadRequest,
)


def upload(call: Call, asked: UploadRequest) -> UploadAnswer:
    """Create a session. The answer has its id and the URL that takes the song by `PUT`."""
    created = call.service.upload(asked.file_name, asked.file_type, call.owner)
    return upload_answer(created, call.base)


def process(call: Call, asked: ProcessRequest) -> ProcessAnswer:
    """Separate an uploaded song. Repeating the call starts no second job."""
    choices = asked.choices()
    call.check_email(choices, 1)
    session = call.service.start(asked.session_id, asked.s3_key, choices, call.owner)
    call.count_started(1)
    return process_answer(session)


def status(call: Call, asked: SessionRequest) -> StatusAnswer:
    """Report the progress of a song, with links to its stems once it is done."""
    return _status(call, asked.session_id)


def status_by_path(call: Call, asked: SessionPath) -> StatusAnswer:
    """Report the progress of a song, as `POST /status` does."""
    return _status(call, asked.session_id)


def cancel(call: Call, asked: SessionRequest) -> StatusAnswer:
    """Cancel a song. The upload stays and can be processed again. A song that has ended stays unchanged."""
    call.service.cancel(asked.session_id, call.owner)
    return _status(call, asked.session_id)


def cleanup(call: Call, asked: SessionRequest) -> CleanupAnswer:
    """Delete a song, its stems and its record now. A job that is still running is cancelled."""
    return CleanupAnswer(deleted=call.service.cleanup(asked.session_id, call.owner))


def history(call: Call, asked: HistoryQuery) -> HistoryAnswer:
    """List the songs of the signed-in user, or of this browser (header `X-Browser-Token`), newest first."""
    found = call.service.history(call.owner, asked.limit, asked.before)
    return HistoryAnswer(sessions=[status_answer(one, call.base, call.zip_url(one)) for one in found])


def _status(call: Call, session_id: str) -> StatusAnswer:
    found = call.service.status(session_id, call.owner)
    return status_answer(found, call.base, call.zip_url(found))
