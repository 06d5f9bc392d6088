"""$disconnect of the WebSocket API: a page listens no more. Mostly: who is gone without a word is found by `tell`."""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers, push
from unbraid.aws.handlers import Event


def disconnect(event: Event, _context: Any) -> dict[str, Any]:
    """Forget the connection."""
    push.connections().remove(event["requestContext"]["connectionId"])
    return {"statusCode": 200}


handler = handlers.watched(disconnect)
