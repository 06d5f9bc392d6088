"""What the asynchronous endpoint tells of an invocation's end, by SNS: workers that died are replaced at once, without
waiting for their lease; what nobody ever began is dispatched anew, or fails, instead of waiting for ever.

The message is JSON (Amazon SageMaker Developer Guide, "Check prediction results"): `invocationStatus` is `Completed` or
`Failed`, `inferenceId` is what the dispatcher gave, `failureReason` says why. It may come twice, late and out of order:
the dispatch's name says which attempt is meant, and any other is left alone.
"""

from __future__ import annotations

import json
from typing import Any

from unbraid.aws import handlers
from unbraid.aws.dispatches import Dispatch
from unbraid.aws.handlers import Event, count, logger

NOT_BEGUN = "No machine could begin with this song. Try again; if it stays so, tell whoever runs this app."


def ended(event: Event, _context: Any) -> None:
    """One notification a record. Raises what the stores raise: SNS then calls again."""
    for record in event["Records"]:
        try:
            told = json.loads(record["Sns"]["Message"])
            dispatch, failed = Dispatch.read(told["inferenceId"]), told["invocationStatus"] != "Completed"
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning("a notification that isn't of a song was left alone")
            continue
        _end(dispatch, failed, str(told.get("failureReason", "")))


def _end(dispatch: Dispatch, failed: bool, reason: str) -> None:
    service = handlers.service()
    # Also after success: a worker that has answered and still has the session could not write down its end.
    lost = service.lost(dispatch.session_id, str(dispatch))
    refused = failed and not lost and service.refused(dispatch.session_id, dispatch.version, NOT_BEGUN)
    if lost or refused:
        count("SongsLost" if lost else "SongsRefused")
        logger.warning("an invocation came to nothing", lost=lost, refused=refused, reason=reason[:500])


handler = handlers.watched(ended)
