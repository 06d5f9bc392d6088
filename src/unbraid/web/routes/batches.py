"""Many songs at once."""

from __future__ import annotations

from fastapi import APIRouter, Request

from unbraid.api.answers import batch_process_answer, statuses_answer, upload_answer
from unbraid.api.schemas import (
    BatchAnswer,
    BatchProcessAnswer,
    BatchProcessRequest,
    BatchRequest,
    BatchStatusRequest,
    StatusesAnswer,
)
from unbraid.web.answers import status_answer
from unbraid.web.context import Ctx, Owner
from unbraid.web.routes.sessions import check_letters

router = APIRouter(prefix="/batch", tags=["batches"])


@router.post("")
def upload(asked: BatchRequest, request: Request, context: Ctx, owner: Owner) -> BatchAnswer:
    """Begin many songs, all or none."""
    files = [(file.file_name, file.file_type) for file in asked.files]
    batch, uploads = context.service.upload_many(files, owner)
    base = context.base(request)
    return BatchAnswer(batchId=batch, uploads=[upload_answer(one, base) for one in uploads])


@router.post("/process", status_code=202)
def process(asked: BatchProcessRequest, request: Request, context: Ctx, owner: Owner) -> BatchProcessAnswer:
    """Have them separated, each for itself: those that can't be are told with the reason."""
    choices = asked.choices()
    check_letters(choices, len(asked.session_ids), request, context, owner)
    results = context.service.start_many(asked.session_ids, choices, owner)
    return batch_process_answer(results)


@router.post("/status")
def status(asked: BatchStatusRequest, request: Request, context: Ctx, owner: Owner) -> StatusesAnswer:
    """How far they are, in the same order; `UNKNOWN` for what isn't there or isn't the caller's."""
    known = context.service.status_many(asked.session_ids, owner)
    base = context.base(request)
    return statuses_answer(asked, {one: status_answer(known[one], context, base) for one in known})
