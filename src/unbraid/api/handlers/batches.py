"""Handlers for many songs in one call."""

from __future__ import annotations

from unbraid.api.answers import batch_process_answer, status_answer, statuses_answer, upload_answer
from unbraid.api.call import Call
from unbraid.api.schemas.batches import (
    BatchAnswer,
    BatchProcessAnswer,
    BatchProcessRequest,
    BatchRequest,
    BatchStatusRequest,
    StatusesAnswer,
)
from unbraid.jobs.new_file import NewFile
from unbraid.jobs.session import Session


def upload(call: Call, request: BatchRequest) -> BatchAnswer:
    """Create a session for each of many songs. If one song is refused, the whole batch is refused."""
    files = [NewFile(file.file_name, file.file_type, file.file_size) for file in request.files]
    batch_id, uploads = call.service.upload_many(files, call.owner)
    return BatchAnswer(batchId=batch_id, uploads=[upload_answer(one, call.base) for one in uploads])


def process(call: Call, request: BatchProcessRequest) -> BatchProcessAnswer:
    """Separate many uploaded songs. A song that cannot be started has a `problem` instead of a `status`."""
    choices = request.choices()
    call.check_email(choices, len(request.session_ids))
    results = call.service.start_many(request.session_ids, choices, call.owner)
    call.count_started(sum(isinstance(result, Session) for result in results.values()))
    return batch_process_answer(results)


def status(call: Call, request: BatchStatusRequest) -> StatusesAnswer:
    """Report the progress of many songs, in the order of the request.

    The status is `UNKNOWN` for a song that does not exist, has expired or belongs to another user.
    """
    statuses = call.service.status_many(request.session_ids, call.owner)
    answers = {id_: status_answer(one, call.base, call.zip_url(one)) for id_, one in statuses.items()}
    return statuses_answer(request, answers)
