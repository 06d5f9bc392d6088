"""The owner of a session: a signed-in user, or a browser with a token."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

BROWSER_TOKEN = re.compile(r"[!-~]{16,200}", re.ASCII)
"""A random token that the page creates once and sends as `X-Browser-Token`."""

BEARER = "bearer."
"""Begins the WebSocket subprotocol that carries a token: browsers let pages set no other header of a socket."""


def of_user(user: str) -> str:
    """The owner for a user as `SignIn.user` returns it: issuer and subject."""
    return f"user:{user}"


def of_browser(token: str | None) -> str | None:
    """The owner for a browser's token; None if the token is missing or short enough to guess.

    The token lists a browser's songs, so it is as secret as a password. Only its SHA-256 hash is stored.
    """
    if token is None or not BROWSER_TOKEN.fullmatch(token):
        return None
    return "browser:" + hashlib.sha256(token.encode()).hexdigest()


def token_protocol(protocols: Iterable[str]) -> str | None:
    """The first subprotocol of a page that carries a token; None: no token."""
    return next((name for name in protocols if name.startswith(BEARER)), None)
