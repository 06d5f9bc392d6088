"""The address of a caller, directly or through this deployment's CloudFront."""

from __future__ import annotations

import hmac
from typing import Any

SECRET_HEADER = "x-proxy-secret"
"""Header with a secret that CloudFront adds to every call. It replaces a header of this name that the viewer sent."""


def address_of(event: dict[str, Any], secret: str | None) -> str:
    """Return the caller's address in an event of the HTTP API. `secret`: that of `SECRET_HEADER`; None: no CloudFront.

    API Gateway knows from which address the connection comes. Only with the secret is that CloudFront, and then
    `X-Forwarded-For` ends in the viewer's address, which CloudFront appends to what the viewer sent, and the address
    of CloudFront, which API Gateway appends.
    """
    source: str = event["requestContext"]["http"]["sourceIp"]
    headers = event.get("headers", {})
    if secret is None or not hmac.compare_digest(headers.get(SECRET_HEADER, "").encode(), secret.encode()):
        return source
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")]
    if hops[-1] == source:
        hops.pop()
    return hops[-1] if hops and hops[-1] else source
