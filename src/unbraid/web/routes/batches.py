"""Many songs at once."""

from __future__ import annotations

from fastapi import APIRouter, Request

from unbraid.errors import UnbraidError, http_status
from unbraid.jobs.session import Session
from unbraid.web.answers import status_answer, upload_answer
from unbraid.web.context import Ctx, Owner
from unbraid.web.problems import described, fields_of
from unbraid.web.routes.sessions import check_letters
from unbraid.web.schemas import (
    BatchAnswer,
    BatchProcessAnswer,
    BatchProcessRequest,
    BatchRequest,
    BatchStatusRequest,
    ProcessAnswer,
    Refusal,
    StatusesAnswer,
    UnknownStatus,
)

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
    return BatchProcessAnswer(results=[_result(name, result) for name, result in results.items()])


@router.post("/status")
def status(asked: BatchStatusRequest, request: Request, context: Ctx, owner: Owner) -> StatusesAnswer:
    """How far they are, in the same order; `UNKNOWN` for what isn't there or isn't the caller's."""
    known = context.service.status_many(asked.session_ids, owner)
    base = context.base(request)
    return StatusesAnswer(
        sessions=[
            status_answer(known[one], context, base) if one in known else UnknownStatus(session_id=one)
            for one in asked.session_ids
        ]
    )


def _result(session_id: str, result: Session | UnbraidError) -> ProcessAnswer | Refusal:
    if isinstance(result, UnbraidError):
        problem = described(http_status(result), result.message, fields_of(result))
        return Refusal(sessionId=session_id, problem=problem)
    return ProcessAnswer(sessionId=session_id, status=result.state)
