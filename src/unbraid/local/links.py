"""Signed links: each carries a method, a file and an expiry time.

The signature is HMAC-SHA-256 (RFC 2104) over the method, the key and every parameter. A change to any of
them invalidates it.
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
    """The signature doesn't match the link."""


class LinkExpired(Exception):  # noqa: N818
    """The link has expired."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The permissions of a valid link."""

    key: str
    content_type: str = ""
    """Content type of the upload; empty: any."""
    max_bytes: int = 0
    size: int | None = None
    """Bytes of the upload; None: any number up to `max_bytes`."""
    filename: str | None = None
    """Name under which a browser saves the file; None: the browser shows it."""


class Links:
    """Makes and verifies links. A link is a path; the caller prepends scheme and host."""

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock

    def upload(
        self, key: str, content_type: str, expires_s: int, max_bytes: int, size: int | None = None
    ) -> str:
        """Return a link for one PUT."""
        exact = {} if size is None else {"size": str(size)}
        return self._link("PUT", key, expires_s, {"type": content_type, "max": str(max_bytes), **exact})

    def download(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """Return a link for GET and HEAD."""
        return self._link("GET", key, expires_s, {} if filename is None else {"name": filename})

    def check(self, method: str, key: str, query: Mapping[str, str]) -> Grant:
        """Return the permissions of a link; `key` is from its path. Raises LinkAltered, LinkExpired."""
        signed = {name: value for name, value in query.items() if name != "signature"}
        expected = self._sign("GET" if method == "HEAD" else method, key, signed)
        if not hmac.compare_digest(expected.encode(), query.get("signature", "").encode("utf-8", "replace")):
            raise LinkAltered
        if float(signed["expires"]) < self._clock():
            raise LinkExpired
        size = signed.get("size")
        return Grant(
            key,
            signed.get("type", ""),
            int(signed.get("max", 0)),
            None if size is None else int(size),
            signed.get("name"),
        )

    def _link(self, method: str, key: str, expires_s: int, parameters: Mapping[str, str]) -> str:
        signed = {"expires": str(int(self._clock()) + expires_s), **parameters}
        query = urlencode({**signed, "signature": self._sign(method, key, signed)}, quote_via=quote)
        return f"{PREFIX}{quote(key)}?{query}"

    def _sign(self, method: str, key: str, signed: Mapping[str, str]) -> str:
        # Sorted, so that the order in the URL doesn't matter; encoded, so that no two sets give the same text.
        text = "\n".join((method, key, urlencode(sorted(signed.items()))))
        digest = hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class LinkedStore:
    """The part of an ObjectStore that hands out links to the web app. A part of an upload is a file of its own."""

    links: Links

    def upload_url(
        self, key: str, content_type: str, expires_s: int, max_bytes: int, size: int | None = None
    ) -> str:
        """Return a signed path of the web app."""
        return self.links.upload(key, content_type, expires_s, max_bytes, size)

    def download_url(self, key: str, expires_s: int, filename: str | None = None) -> str:
        """Return a signed path of the web app."""
        return self.links.download(key, expires_s, filename)

    def begin_parts(self, key: str, content_type: str) -> str:
        """Return the id of an upload, which the keys of its parts contain."""
        return secrets.token_hex(8)

    def part_url(self, key: str, upload_id: str, number: int, size: int, expires_s: int) -> str:
        """Return a signed path of the web app."""
        return self.links.upload(part_key(key, upload_id, number), "", expires_s, size, size)


def part_key(key: str, upload_id: str, number: int | str) -> str:
    """Return the key of a part, beside that of the whole file. Without a number: how the keys of all parts begin."""
    return f"{key.rpartition('/')[0]}/part-{upload_id}-{number}"


def read_secret(path: Path) -> bytes:
    """Read the secret in `path`, a file for its owner only; create it if missing. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # If two processes start at the same time, the first to finish stores its secret, and both read it.
        with atomic_write(path, mode=0o600, replace=False) as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise OSError(f"{path} is damaged; delete it to create a new one (existing links then stop working)")
    return secret
