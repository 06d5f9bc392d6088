"""Limit the size and the duration of API requests. Songs go to signed links, which have other limits."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unbraid.api.problems import MAX_BODY_BYTES, TOO_LARGE
from unbraid.web.problems import problem

BODY_TIMEOUT_S = 30.0
UNLIMITED = ("/files/", "/teaching/stems")  # these limit their bodies themselves


class BodyLimit:
    """ASGI middleware: 413 for a body that is too large by its Content-Length or its bytes, 408 for a slow one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(UNLIMITED):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
            await _Refused(413, TOO_LARGE).answer(scope, receive, send)
            return
        size, answered, complete = 0, False, False
        deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

        async def receive_counting() -> Message:
            nonlocal size, complete
            try:
                async with asyncio.timeout_at(None if complete else deadline):
                    message = await receive()
            except TimeoutError:
                raise _Refused(408, "The request arrived too slowly. Send it again.") from None
            complete = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise _Refused(413, TOO_LARGE)
            return message

        async def send_watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive_counting, send_watched)
        except _Refused as refused:
            if not answered:
                await refused.answer(scope, receive, send)


class _Refused(BaseException):
    """A BaseException, so that no `except Exception` on the way up catches it."""

    def __init__(self, status: int, detail: str) -> None:
        self.answer = problem(status, detail, headers={"Connection": "close"})
