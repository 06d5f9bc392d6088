"""Requests of the API are small: what is larger is not read. Songs go to signed links, which have their own limits."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unbraid.api.problems import MAX_BODY_BYTES, TOO_LARGE
from unbraid.web.problems import problem

BODY_S = 30.0  # for all of it to come


class BodyLimit:
    """ASGI middleware: 413 for a body that is too large, by what it says or by what it is; 408 for one that lingers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer it."""
        if scope["type"] != "http" or scope["path"].startswith("/files/"):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
            await _Refused(413, TOO_LARGE).answer(scope, receive, send)
            return
        size, answered, whole = 0, False, False
        until = asyncio.get_running_loop().time() + BODY_S

        async def receive_counting() -> Message:
            nonlocal size, whole
            try:
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            except TimeoutError:
                raise _Refused(408, "The request came too slowly. Send it again.") from None
            whole = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise _Refused(413, TOO_LARGE)
            return message

        async def send_noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive_counting, send_noting)
        except _Refused as refused:
            if not answered:
                await refused.answer(scope, receive, send)


class _Refused(BaseException):
    """Not an Exception, so that nobody on the way up takes it for one of theirs."""

    def __init__(self, status: int, detail: str) -> None:
        self.answer = problem(status, detail, headers={"Connection": "close"})
