"""Whose sessions are meant: of somebody who has signed in, or of a browser that has a token of its own."""

from __future__ import annotations

import hashlib
import re

BROWSER_TOKEN = re.compile(r"[!-~]{16,200}", re.ASCII)
"""Random words that a page makes up once, and sends as `X-Browser-Token`."""


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
