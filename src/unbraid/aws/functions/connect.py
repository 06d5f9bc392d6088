"""$connect and $default of the WebSocket API: a page begins to listen, and asks how its sessions are.

Before `$connect` has answered nothing can be sent. So a page says something once its socket stands (which comes
as `$default`) and is sent the first statuses then; until they come it asks by HTTP. No change is lost in between: the
connection is known from `$connect` on.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from unbraid.api.owners import BEARER, of_user, token_protocol
from unbraid.api.schemas import Id
from unbraid.aws import handlers, push
from unbraid.aws.handlers import Event, logger

if TYPE_CHECKING:
    from unbraid.api.signin import SignIn

_IDS = TypeAdapter(list[Id])


def connect(event: Event, _context: Any) -> dict[str, Any]:
    """200 or a refusal, of which browsers tell their pages nothing."""
    try:
        if event["requestContext"]["routeKey"] == "$connect":
            return _connected(event)
        _told(event["requestContext"]["connectionId"])
        return {"statusCode": 200}
    except Exception:
        logger.exception("fault")
        handlers.count("Faults")
        return {"statusCode": 500}


def _connected(event: Event) -> dict[str, Any]:
    settings = handlers.settings()
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    origin = headers.get("origin")
    # Browsers let any page open a socket to anywhere, and say which page it is. Others don't say.
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
        from unbraid.api.signin import IssuerUnavailable, NotSignedIn  # cryptography takes its time to load

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


def _told(connection_id: str) -> None:
    """The first statuses."""
    listener = push.connections().of(connection_id)
    if listener is not None:
        known = push.statuses(listener.session_ids, listener.owner)
        push.sockets().send([(listener, known.get(one) or push.unknown(one)) for one in listener.session_ids])


@cache
def _sign_in() -> SignIn:
    from unbraid.api.signin import SignIn

    settings = handlers.settings()
    assert settings.oidc_issuer is not None and settings.oidc_client_id is not None
    return SignIn(settings.oidc_issuer, settings.oidc_client_id)


handler = handlers.watched(connect)
