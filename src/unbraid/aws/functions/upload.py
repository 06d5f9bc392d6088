"""POST /upload and POST /batch: where songs are sent to."""

from __future__ import annotations

from unbraid.api.answers import upload_answer
from unbraid.api.schemas import BatchAnswer, BatchRequest, UploadAnswer, UploadRequest
from unbraid.aws.http import Call, answering


def upload(call: Call) -> UploadAnswer:
    """Begin: an id, and an address that the song is `PUT` to."""
    owner, asked = call.owner, call.body(UploadRequest)
    return upload_answer(call.service.upload(asked.file_name, asked.file_type, owner))


def batch(call: Call) -> BatchAnswer:
    """Begin many songs, all or none."""
    owner, asked = call.owner, call.body(BatchRequest)
    files = [(file.file_name, file.file_type) for file in asked.files]
    batch_id, uploads = call.service.upload_many(files, owner)
    return BatchAnswer(batchId=batch_id, uploads=[upload_answer(one) for one in uploads])


handler = answering({"POST /upload": upload, "POST /batch": batch})
