"""One song: upload, process, status, cancel, cleanup; and the history of all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from unbraid.api.answers import process_answer, upload_answer
from unbraid.api.schemas import (
    CleanupAnswer,
    HistoryAnswer,
    Id,
    ProcessAnswer,
    ProcessRequest,
    SessionRequest,
    StatusAnswer,
    UploadAnswer,
    UploadRequest,
)
from unbraid.jobs.session import Choices
from unbraid.web.answers import status_answer
from unbraid.web.context import Context, Ctx, Owner
from unbraid.web.limits import client_of

router = APIRouter(tags=["songs"])


@router.post("/upload")
def upload(asked: UploadRequest, request: Request, context: Ctx, owner: Owner) -> UploadAnswer:
    """Begin: get an id, and an address that the song is `PUT` to."""
    made = context.service.upload(asked.file_name, asked.file_type, owner)
    return upload_answer(made, context.base(request))


@router.post("/process", status_code=202)
def process(asked: ProcessRequest, request: Request, context: Ctx, owner: Owner) -> ProcessAnswer:
    """Have an uploaded song separated. Asking twice is one job."""
    choices = asked.choices()
    check_letters(choices, 1, request, context, owner)
    session = context.service.start(asked.session_id, asked.s3_key, choices, owner)
    return process_answer(session)


@router.post("/status")
def status(asked: SessionRequest, request: Request, context: Ctx, owner: Owner) -> StatusAnswer:
    """How far a song is; links to its stems once it is done."""
    return status_answer(context.service.status(asked.session_id, owner), context, context.base(request))


@router.get("/status/{sessionId}")
def status_by_path(
    session_id: Annotated[Id, Path(alias="sessionId")], request: Request, context: Ctx, owner: Owner
) -> StatusAnswer:
    """The same."""
    return status_answer(context.service.status(session_id, owner), context, context.base(request))


@router.post("/cancel")
def cancel(asked: SessionRequest, request: Request, context: Ctx, owner: Owner) -> StatusAnswer:
    """Stop; the song stays and can be processed again. What has ended stays as it is."""
    context.service.cancel(asked.session_id, owner)
    return status_answer(context.service.status(asked.session_id, owner), context, context.base(request))


@router.post("/cleanup")
def cleanup(asked: SessionRequest, context: Ctx, owner: Owner) -> CleanupAnswer:
    """Delete everything of a song now; what still runs is stopped."""
    return CleanupAnswer(deleted=context.service.cleanup(asked.session_id, owner))


@router.get("/history")
def history(
    request: Request,
    context: Ctx,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[
        float | None, Query(allow_inf_nan=False, description="`created_at` of the last that is known already")
    ] = None,
) -> HistoryAnswer:
    """The songs of whoever signed in, or of this browser (header `X-Browser-Token`), newest first."""
    base = context.base(request)
    found = context.service.history(owner, limit, before)
    return HistoryAnswer(sessions=[status_answer(one, context, base) for one in found])


def check_letters(
    choices: Choices | None, count: int, request: Request, context: Context, owner: str | None
) -> None:
    """Whether so many songs may have letters sent. Raises SettingError, HTTPException 429."""
    # A browser's token can be made up.
    asker = owner if context.sign_in is not None and owner is not None else client_of(request.scope)
    context.letters.ask(choices, asker, count)
