"""Log each request with an id. The client gets the id too, in the `X-Request-ID` header."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from unbraid.api.problems import INTERNAL_ERROR
from unbraid.local.logs import request_id
from unbraid.web.metrics import Metrics
from unbraid.web.problems import problem

HEADER = "x-request-id"
CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
log = logging.getLogger("unbraid.web")


class RequestLog:
    """ASGI middleware: assign each request an id, log and count it, and answer 500 for unexpected errors."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        client_id = Headers(scope=scope).get(HEADER, "")
        token = request_id.set(client_id if CLIENT_ID.fullmatch(client_id) else secrets.token_hex(8))
        status, started = 0, time.perf_counter()

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id.get() or ""
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self.app(scope, receive, send_watched)
        except (ClientDisconnect, WebSocketDisconnect):
            log.info("the client disconnected")
        except FileNotFoundError:
            # A session may be deleted while its files are sent. The connection is then closed early.
            log.info("a file was deleted while it was requested")
            if not status:
                await problem(404, "This file was deleted. Upload the song again.")(
                    scope, receive, send_watched
                )
        except Exception:
            log.exception("internal error")
            if not status:
                await problem(500, INTERNAL_ERROR)(scope, receive, send_watched)
        finally:
            self._log(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope.get("method", "WS")
        route = getattr(scope.get("route"), "path", "other")  # the pattern, without the session id
        if scope["type"] == "http":  # a socket stays open as long as its page
            self.metrics.answered(method, route, status, seconds)
        log.info(
            "answered",
            extra={"method": method, "route": route, "status": status, "seconds": round(seconds, 4)},
        )
