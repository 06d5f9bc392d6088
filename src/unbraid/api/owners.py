"""Whose sessions are meant: of somebody who has signed in, or of a browser that has a token of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

BROWSER_TOKEN = re.compile(r"[!-~]{16,200}", re.ASCII)
"""Random words that a page makes up once, and sends as `X-Browser-Token`."""

BEARER = "bearer."
"""Begins the WebSocket subprotocol that carries a token: browsers let pages set no other header of a socket."""


def of_user(user: str) -> str:
    """The owner for a `user` as `signin` names them: issuer and subject."""
    return f"user:{user}"


def of_browser(token: str | None) -> str | None:
    """The owner for a browser's token; None for none, or for one that can be guessed.

    The token lists a browser's songs, so it is as secret as a password: kept as its hash (SHA-256) alone.
    """
    if token is None or not BROWSER_TOKEN.fullmatch(token):
        return None
    return "browser:" + hashlib.sha256(token.encode()).hexdigest()


def token_protocol(protocols: Iterable[str]) -> str | None:
    """The subprotocol that carries a token, among those that a page offers; None: no token."""
    return next((name for name in protocols if name.startswith(BEARER)), None)
