"""POST /status, GET /status/{sessionId} and POST /batch/status: how far songs are."""

from __future__ import annotations

from pydantic import BaseModel

from unbraid.api.answers import status_answer, statuses_answer
from unbraid.api.schemas import BatchStatusRequest, Id, SessionRequest, StatusAnswer, StatusesAnswer
from unbraid.aws.http import Call, answering


class Place(BaseModel):
    """What stands in the path."""

    sessionId: Id  # noqa: N815 - as the route has it


def status(call: Call) -> StatusAnswer:
    """How far a song is; links to its stems once it is done."""
    owner = call.owner
    return status_answer(call.service.status(call.body(SessionRequest).session_id, owner))


def by_path(call: Call) -> StatusAnswer:
    """The same."""
    owner = call.owner
    return status_answer(call.service.status(call.path(Place).sessionId, owner))


def batch(call: Call) -> StatusesAnswer:
    """How far they are, in the same order; `UNKNOWN` for what isn't there or isn't the caller's."""
    owner, asked = call.owner, call.body(BatchStatusRequest)
    known = call.service.status_many(asked.session_ids, owner)
    return statuses_answer(asked, {one: status_answer(known[one]) for one in known})


handler = answering({"POST /status": status, "GET /status/{sessionId}": by_path, "POST /batch/status": batch})
