"""POST /cleanup: everything of a song is deleted."""

from __future__ import annotations

from unbraid.api.schemas import CleanupAnswer, SessionRequest
from unbraid.aws.http import Call, answering


def cleanup(call: Call) -> CleanupAnswer:
    """Now; what still runs is stopped."""
    owner = call.owner
    return CleanupAnswer(deleted=call.service.cleanup(call.body(SessionRequest).session_id, owner))


handler = answering({"POST /cleanup": cleanup})
