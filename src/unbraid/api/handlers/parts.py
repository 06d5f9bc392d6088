"""Handlers for uploads in parts, which can be resumed."""

from __future__ import annotations

from unbraid.api.answers import parts_answer
from unbraid.api.call import Call
from unbraid.api.schemas.status import SessionRequest
from unbraid.api.schemas.uploads import CompleteAnswer, PartsAnswer
from unbraid.jobs.parts import PartUploads


def resume(call: Call, request: SessionRequest) -> PartsAnswer:
    """Begin or continue the upload of a large file in parts. Call it again after an interruption, and for more URLs."""
    return parts_answer(PartUploads(call.service).resume(request.session_id, call.owner), call.base)


def complete(call: Call, request: SessionRequest) -> CompleteAnswer:
    """Join the parts to the uploaded song. Repeating the call changes nothing."""
    session = PartUploads(call.service).complete(request.session_id, call.owner)
    return CompleteAnswer(sessionId=session.id, s3Key=session.input_key)
