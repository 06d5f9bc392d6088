"""The host names that the server accepts.

A foreign page can let its own name resolve to 127.0.0.1 ("DNS rebinding"). The browser would then treat it as a page of
this server. So a server that listens on loopback accepts only the loopback names and its public name.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from unbraid.local.settings import Settings
from unbraid.urls import LOOPBACK
from unbraid.web.problems import problem


class KnownHosts:
    """ASGI middleware: 421 for a host name that this server doesn't have."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.names: frozenset[str | None] | None = None
        if settings.on_loopback:
            self.names = frozenset({*LOOPBACK, urlsplit(settings.public_url or "").hostname})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "lifespan" and self.names is not None:
            name = host_name(Headers(scope=scope).get("host", ""))
            if name is None or name not in self.names:
                detail = "This server doesn't accept this host name. To add it, set UNBRAID_PUBLIC_URL."
                await problem(421, detail)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def host_name(host: str) -> str | None:
    """The name in a Host header, without its port; None if the header is invalid."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
