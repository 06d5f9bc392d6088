"""What the server writes down: one JSON object a line, a request's lines joined by its id.

Nothing in them leads to a song or to whoever brought it: no names of files, no links, no ids of sessions, no addresses.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unbraid.web.metrics import Metrics
from unbraid.web.problems import problem

HEADER = "x-request-id"
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
log = logging.getLogger("unbraid.web")

GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# Ids are 32 letters of URLs, and keys hold them; both may stand in the message of an error.
PRIVATE = re.compile(r"(?:files|inputs|outputs|mixes|zips)/[^\s'\"]+|\b[A-Za-z0-9_-]{32,}")

EVERY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with whatever `extra` it was given."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": PRIVATE.sub("…", record.getMessage()),
        }
        if (current := request_id.get()) is not None:
            told["request_id"] = current
        told.update({name: value for name, value in vars(record).items() if name not in EVERY_RECORD})
        if record.exc_info:
            told["traceback"] = PRIVATE.sub("…", self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)


def set_up(level: str | None) -> None:
    """Log to standard error; by default, requests too, unless somebody sits before it."""
    if level is None:
        level = "warning" if sys.stderr.isatty() else "info"
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These tell addresses with all their parameters.
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


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
        except FileNotFoundError:
            # A session may be deleted while its files are on their way: the connection ends before they do.
            log.info("a file was deleted while it was being sent")
            raise
        except Exception:
            log.exception("fault")
            if status or scope["type"] == "websocket":
                raise
            detail = "Something went wrong here. Try again; if it stays so, tell whoever runs this app."
            await problem(500, detail)(scope, receive, send_noting)
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
