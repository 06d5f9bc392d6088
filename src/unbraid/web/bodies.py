"""Requests of the API are small: what is larger is not read. Songs go to signed links, which have their own limits."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unbraid.web.problems import problem

LARGEST = 1 << 18  # bytes; a batch of a thousand names


class BodyLimit:
    """ASGI middleware: 413 for a body that is too large, by what it says or by what it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer it."""
        if scope["type"] != "http" or scope["path"].startswith("/files/"):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > LARGEST:
            await _too_large(scope, receive, send)
            return
        size, answered = 0, False

        async def receive_counting() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST:
                raise _TooLarge
            return message

        async def send_noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive_counting, send_noting)
        except _TooLarge:
            if not answered:
                await _too_large(scope, receive, send)


class _TooLarge(BaseException):
    """Not an Exception, so that nobody on the way up takes it for one of theirs."""


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    detail = (
        f"The request is too large: at most {LARGEST >> 10} KB. Songs go to the link that POST /upload gives."
    )
    await problem(413, detail, headers={"Connection": "close"})(scope, receive, send)
