"""POST /cancel: a song is stopped."""

from __future__ import annotations

from unbraid.api.answers import status_answer
from unbraid.api.schemas import SessionRequest, StatusAnswer
from unbraid.aws.http import Call, answering


def cancel(call: Call) -> StatusAnswer:
    """The song stays and can be processed again. What has ended stays as it is."""
    owner, asked = call.owner, call.body(SessionRequest)
    call.service.cancel(asked.session_id, owner)
    return status_answer(call.service.status(asked.session_id, owner))


handler = answering({"POST /cancel": cancel})
