"""Lambda function `disconnect`: $disconnect of the WebSocket API.

API Gateway doesn't call it for every closed connection; `push` removes the others.
"""

from __future__ import annotations

from typing import Any

from unbraid.aws import handlers, push
from unbraid.aws.handlers import Event


def disconnect(event: Event, _context: Any) -> dict[str, Any]:
    """Remove the connection."""
    push.connections().remove(event["requestContext"]["connectionId"])
    return {"statusCode": 200}


handler = handlers.watched(disconnect)
