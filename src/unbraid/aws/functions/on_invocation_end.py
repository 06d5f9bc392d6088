"""React to the end of an invocation, which the asynchronous endpoint announces by SNS.

The session of a dead worker is requeued immediately, without waiting for its lease to expire. A session that no worker
has begun is dispatched again, or fails after the last attempt.

The message is JSON (Amazon SageMaker Developer Guide, "Check prediction results"): `invocationStatus` is `Completed` or
`Failed`, `inferenceId` is the id that the dispatcher set, `failureReason` is the cause. A message may come twice, late
and out of order; the dispatch id identifies its attempt, and later attempts don't change.
"""

from __future__ import annotations

import json
from typing import Any

from unbraid.aws import handlers
from unbraid.aws.dispatches import Dispatch
from unbraid.aws.handlers import Event, count, logger
from unbraid.jobs.leases import Leases
from unbraid.jobs.messages import NOT_BEGUN


def on_invocation_end(event: Event, _context: Any) -> None:
    """Handle one notification per record. Raises the errors of the stores; SNS then retries."""
    for record in event["Records"]:
        try:
            message = json.loads(record["Sns"]["Message"])
            dispatch = Dispatch.parse(message["inferenceId"])
            failed = message["invocationStatus"] != "Completed"
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning("ignored a notification that isn't about a song")
            continue
        _end(dispatch, failed, str(message.get("failureReason", "")))


def _end(dispatch: Dispatch, failed: bool, reason: str) -> None:
    leases = Leases(handlers.sessions())
    # Also after success: a worker that has answered but still holds its lease was unable to save the result.
    lost = leases.reclaim(dispatch.session_id, str(dispatch))
    refused = failed and not lost and leases.redispatch(dispatch.session_id, dispatch.version, NOT_BEGUN)
    if lost or refused:
        count("SongsLost" if lost else "SongsRefused")
        logger.warning("an invocation failed", lost=lost, refused=refused, reason=reason[:500])


handler = handlers.watched(on_invocation_end)
