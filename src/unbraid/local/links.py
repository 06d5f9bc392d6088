"""Links that carry their own permission: what may be done, with which file and until when, under a signature.

The signature is HMAC-SHA-256 (RFC 2104) over the method, the key and every parameter, so that none can be altered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from unbraid.files.atomic import atomic_write

PREFIX = "/files/"
SECRET_BYTES = 32


class LinkAltered(Exception):  # noqa: N818 - an answer, not a fault
    """The link was never given out: a part of it, or its signature, is another."""


class LinkExpired(Exception):  # noqa: N818
    """The link was valid once."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a link allows."""

    key: str
    content_type: str = ""
    """Of what is uploaded; empty: any."""
    max_bytes: int = 0
    filename: str | None = None
    """What a download is saved as; None: shown, not saved."""


class Links:
    """Makes links, and tells which were made here. They are paths: whoever answers puts scheme and host before them."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock

    def upload(self, key: str, content_type: str, expires_s: int, max_bytes: int) -> str:
        """A link that takes one PUT."""
        return self._link("PUT", key, expires_s, {"type": content_type, "max": str(max_bytes)})

    def download(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """A link for GET and HEAD."""
        return self._link("GET", key, expires_s, {} if filename is None else {"name": filename})

    def check(self, method: str, key: str, query: Mapping[str, str]) -> Grant:
        """What a link allows, of which the path gave `key`. Raises LinkAltered, LinkExpired."""
        signed = {name: value for name, value in query.items() if name != "signature"}
        expected = self._sign("GET" if method == "HEAD" else method, key, signed)
        if not hmac.compare_digest(expected.encode(), query.get("signature", "").encode("utf-8", "replace")):
            raise LinkAltered
        if float(signed["expires"]) < self._clock():
            raise LinkExpired
        return Grant(key, signed.get("type", ""), int(signed.get("max", 0)), signed.get("name"))

    def _link(self, method: str, key: str, expires_s: int, parameters: Mapping[str, str]) -> str:
        signed = {"expires": str(int(self._clock()) + expires_s), **parameters}
        query = urlencode({**signed, "signature": self._sign(method, key, signed)}, quote_via=quote)
        return f"{PREFIX}{quote(key)}?{query}"

    def _sign(self, method: str, key: str, signed: Mapping[str, str]) -> str:
        # Sorted, so that the order in the address doesn't matter; encoded, so that no two sets look alike.
        text = "\n".join((method, key, urlencode(sorted(signed.items()))))
        digest = hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def read_secret(path: Path) -> bytes:
    """The secret kept in `path`, which only this user may read; made when it isn't there. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Of two processes that start at once, the first one's secret stays, and both read it.
        with atomic_write(path, mode=0o600, replace=False) as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise OSError(f"{path} is damaged; delete it to get another (links that were given out end with it)")
    return secret
