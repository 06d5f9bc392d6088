"""Handlers for one song: upload, process, status, cancel, cleanup and the history."""

from __future__ import annotations

from unbraid.api.answers import process_answer, status_answer, upload_answer
from unbraid.api.call import Call
from unbraid.api.schemas.process import ProcessAnswer, ProcessRequest
from unbraid.api.schemas.status import (
    CleanupAnswer,
    HistoryAnswer,
    HistoryQuery,
    SessionPath,
    SessionRequest,
    StatusAnswer,
)
from unbraid.api.schemas.uploads import UploadAnswer, UploadRequest
from unbraid.errors import SettingError
from unbraid.jobs.library import Library
from unbraid.jobs.splits import StemSplits


def upload(call: Call, request: UploadRequest) -> UploadAnswer:
    """Create a session. The answer has its id, and the URL for uploading the song with `PUT`."""
    created = call.service.upload(
        request.file_name,
        request.file_type,
        call.owner,
        size=request.file_size,
        dropped_at=request.dropped_at,
    )
    return upload_answer(created, call.base)


def process(call: Call, request: ProcessRequest) -> ProcessAnswer:
    """Separate an uploaded song; with `from`, a stem further; with `again`, the song once more with other options.

    Repeating starts no second job.
    """
    choices = request.choices()
    call.check_email(choices, 1)
    if request.again:
        if request.stem is not None:
            raise SettingError("Leave out from: it is for a stem of a song.", "from")
        session = Library(call.service).again(request.session_id, choices, call.owner)
    elif request.stem is not None:
        for field in ("stems", "format", "video"):
            if getattr(request, field) is not None:
                raise SettingError(
                    f"Leave out {field}: a stem is separated into all stems of the model.", field
                )
        session = StemSplits(call.service).start(
            request.session_id,
            request.stem,
            request.model,
            request.notify,
            call.owner,
            request.quality,
            None if choices is None else choices.start,
            None if choices is None else choices.end,
        )
    elif request.s3_key is None:
        raise SettingError("field required", "s3Key")
    else:
        session = call.service.start(request.session_id, request.s3_key, choices, call.owner)
    call.count_started(1)
    return process_answer(session)


def status(call: Call, request: SessionRequest) -> StatusAnswer:
    """Report the progress of a song, with links to its stems once it is done."""
    return _status(call, request.session_id)


def status_by_path(call: Call, request: SessionPath) -> StatusAnswer:
    """Report the progress of a song, as `POST /status` does."""
    return _status(call, request.session_id)


def cancel(call: Call, request: SessionRequest) -> StatusAnswer:
    """Cancel a song. The uploaded song is kept and can be processed again. A song that has ended doesn't change."""
    call.service.cancel(request.session_id, call.owner)
    return _status(call, request.session_id)


def cleanup(call: Call, request: SessionRequest) -> CleanupAnswer:
    """Delete a song, its stems and its record now. A job that is still running is cancelled."""
    return CleanupAnswer(deleted=call.service.cleanup(request.session_id, call.owner))


def history(call: Call, request: HistoryQuery) -> HistoryAnswer:
    """List the songs of the signed-in user, or of this browser (header `X-Browser-Token`), newest first."""
    statuses = call.service.history(call.owner, request.limit, request.before)
    return HistoryAnswer(sessions=[status_answer(one, call.base, call.zip_url(one)) for one in statuses])


def _status(call: Call, session_id: str) -> StatusAnswer:
    status = call.service.status(session_id, call.owner)
    return status_answer(status, call.base, call.zip_url(status))
