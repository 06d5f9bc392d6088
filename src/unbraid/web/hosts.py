"""Under which names the server answers.

A page of somebody else can let its own name lead to 127.0.0.1 ("DNS rebinding") and would then count as ours. So a
server that only this machine can reach answers to the names of this machine alone, and to its public one.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from unbraid.local.settings import Settings
from unbraid.urls import LOOPBACK
from unbraid.web.problems import problem


class KnownHosts:
    """ASGI middleware: 421 for a name that isn't this server's."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.names: frozenset[str | None] | None = None
        if settings.on_loopback:
            self.names = frozenset({*LOOPBACK, urlsplit(settings.public_url or "").hostname})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer it."""
        if scope["type"] != "lifespan" and self.names is not None:
            name = host_name(Headers(scope=scope).get("host", ""))
            if name is None or name not in self.names:
                detail = (
                    "This server has another name. If it should have this one too, set UNBRAID_PUBLIC_URL."
                )
                await problem(421, detail)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def host_name(host: str) -> str | None:
    """The name in a Host header, without its port; None: there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
