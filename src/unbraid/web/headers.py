"""What every answer says to the browser: run nothing but the app's own script, and show it in no frame."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unbraid.api.headers import ALWAYS, HSTS

# Files that came from users, and answers of the API, are no pages: nothing in them may be run or loaded.
NO_PAGE = "default-src 'none'; frame-ancestors 'none'; sandbox"


class SecurityHeaders:
    """ASGI middleware: sets the headers on whatever answer passes. A policy that a route has set stays."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self.app, self.https = app, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        https = self.https or scope["scheme"] in ("https", "wss")

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers[name] = value
                headers.setdefault("content-security-policy", NO_PAGE)
                headers.setdefault("cache-control", "no-store")
                # Stems are fetched by pages of configured origins, under CORS; nobody else may embed them.
                headers.setdefault("cross-origin-resource-policy", "same-origin")
                if https:
                    headers["strict-transport-security"] = HSTS
            await send(message)

        await self.app(scope, receive, send_with_headers)
