"""What changes in the table of sessions, by its stream: pages that listen are told, as by the web app's `/events`.

Told is how sessions are now, not how each change left them: of several changes that come together, and of those that
come a second time, only the last counts. That a song moves up as others are done is no change of its record, so pages
see it when they ask.
"""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers, push
from unbraid.aws.handlers import Event


def tell(event: Event, _context: Any) -> None:
    """The records of one batch. Raises what the tables raise: the stream then comes with them again."""
    records = [(record["dynamodb"]["Keys"]["id"]["S"], record["eventName"]) for record in event["Records"]]
    last = dict(records)
    listening = {
        session_id: found for session_id in last if (found := push.connections().listening(session_id))
    }
    if not listening:
        return
    owners = {listener.owner for found in listening.values() for listener in found}
    known = {owner: push.statuses(listening, owner) for owner in owners}
    messages = []
    for session_id, found in listening.items():
        for listener in found:
            # Not there, though it wasn't deleted: it is somebody else's, who isn't to be watched.
            text = known[listener.owner].get(session_id)
            if text is None and last[session_id] == "REMOVE":
                text = push.unknown(session_id)
            if text is not None:
                messages.append((listener, text))
    push.sockets().send(messages)


handler = handlers.watched(tell)
