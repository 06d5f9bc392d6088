"""Lambda function `push`: send changed sessions, from the stream of their table, to the pages that subscribe to them.

It sends the current status, not one for each change: of several changes in one batch, and of repeated records, only the
last counts. A song that moves up in the queue has no changed record, so pages see its position when they poll.
"""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers, push
from unbraid.aws.handlers import Event


def push_changes(event: Event, _context: Any) -> None:
    """Handle the records of one batch. Errors of the tables are raised, so that the stream repeats the batch."""
    records = [(record["dynamodb"]["Keys"]["id"]["S"], record["eventName"]) for record in event["Records"]]
    last = dict(records)
    subscribers = {
        session_id: found for session_id in last if (found := push.connections().subscribers(session_id))
    }
    if not subscribers:
        return
    owners = {subscriber.owner for found in subscribers.values() for subscriber in found}
    statuses = {owner: push.statuses(subscribers, owner) for owner in owners}
    messages = []
    for session_id, found in subscribers.items():
        for subscriber in found:
            # No status, though the session wasn't deleted: it belongs to another user, so nothing is sent.
            text = statuses[subscriber.owner].get(session_id)
            if text is None and last[session_id] == "REMOVE":
                text = push.unknown(session_id)
            if text is not None:
                messages.append((subscriber, text))
    push.sockets().send(messages)


handler = handlers.watched(push_changes)
