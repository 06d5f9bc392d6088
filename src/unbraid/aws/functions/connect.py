"""Lambda function `connect`: $connect and $default of the WebSocket API. A page subscribes to its sessions.

API Gateway delivers no message before `$connect` has answered. So a page sends any message once its socket is open. It
arrives as `$default`, and this function then sends the first statuses. Until then the page polls by HTTP. No change is
lost in between, since the table has the connection from `$connect` on.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from unbraid.api.owners import BEARER, of_user, token_protocol
from unbraid.api.schemas.base import Id
from unbraid.aws import handlers, push
from unbraid.aws.handlers import Event, logger

if TYPE_CHECKING:
    from unbraid.api.signin import SignIn

_IDS = TypeAdapter(list[Id])


def connect(event: Event, _context: Any) -> dict[str, Any]:
    """Answer 200 or an error status, which browsers hide from their pages."""
    try:
        if event["requestContext"]["routeKey"] == "$connect":
            return _subscribe(event)
        _send_statuses(event["requestContext"]["connectionId"])
        return {"statusCode": 200}
    except Exception:
        logger.exception("internal error")
        handlers.count("Faults")
        return {"statusCode": 500}


def _subscribe(event: Event) -> dict[str, Any]:
    settings = handlers.settings()
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    origin = headers.get("origin")
    # Browsers let any page open a WebSocket, and send its origin. Other clients send none.
    if origin is not None and settings.site is not None and origin.lower() != settings.site.lower():
        return {"statusCode": 403}
    try:
        ids = _IDS.validate_python((event.get("multiValueQueryStringParameters") or {}).get("session_id", []))
    except ValidationError:
        return {"statusCode": 422}
    if not 0 < len(ids) <= settings.max_batch:
        return {"statusCode": 422}
    protocols = re.split(r"\s*,\s*", headers.get("sec-websocket-protocol", "").strip())
    offered = token_protocol(protocols)
    owner = None
    if settings.signs_in:
        from unbraid.api.signin import (
            IssuerUnavailable,
            NotSignedIn,
        )  # loads cryptography, which slows the cold start

        try:
            if offered is None:
                raise NotSignedIn
            owner = of_user(_sign_in().user(offered.removeprefix(BEARER)))
        except NotSignedIn:
            return {"statusCode": 401}
        except IssuerUnavailable:
            return {"statusCode": 503}
    push.connections().add(event["requestContext"]["connectionId"], list(dict.fromkeys(ids)), owner)
    return {"statusCode": 200} | ({} if offered is None else {"headers": {"Sec-WebSocket-Protocol": offered}})


def _send_statuses(connection_id: str) -> None:
    """Send the current status of every session of a connection."""
    subscriber = push.connections().get(connection_id)
    if subscriber is not None:
        statuses = push.statuses(subscriber.session_ids, subscriber.owner)
        push.sockets().send(
            [(subscriber, statuses.get(one) or push.unknown(one)) for one in subscriber.session_ids]
        )


@cache
def _sign_in() -> SignIn:
    from unbraid.api.signin import SignIn

    settings = handlers.settings()
    assert settings.oidc_issuer is not None and settings.oidc_client_id is not None
    return SignIn(settings.oidc_issuer, settings.oidc_client_id)


handler = handlers.watched(connect)
