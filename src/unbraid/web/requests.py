"""The line that is written for each request, and the id that joins it with others and with what the client saw."""

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
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
log = logging.getLogger("unbraid.web")


class RequestLog:
    """ASGI middleware, the outermost: gives a request its id, writes it down and counts it, and answers for faults."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        token = request_id.set(given if GIVEN_ID.fullmatch(given) else secrets.token_hex(8))
        status, started = 0, time.perf_counter()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id.get() or ""
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except (ClientDisconnect, WebSocketDisconnect):
            log.info("the client has gone")
        except FileNotFoundError:
            # A session may be deleted while its files are on their way: the connection ends before they do.
            log.info("a file was deleted while it was asked for")
            if not status:
                await problem(404, "This is not here any more.")(scope, receive, send_noting)
        except Exception:
            log.exception("fault")
            if not status:
                await problem(500, INTERNAL_ERROR)(scope, receive, send_noting)
        finally:
            self._tell(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope.get("method", "WS")
        route = getattr(scope.get("route"), "path", "other")  # its pattern, without what stands in its place
        if scope["type"] == "http":  # a socket's time says nothing
            self.metrics.answered(method, route, status, seconds)
        log.info(
            "answered",
            extra={"method": method, "route": route, "status": status, "seconds": round(seconds, 4)},
        )
