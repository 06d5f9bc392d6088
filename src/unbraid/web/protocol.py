"""HTTP and WebSocket protocols of uvicorn, with limits on request headers and our error answers."""

from __future__ import annotations

import asyncio
import logging

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from unbraid.api.headers import ALWAYS
from unbraid.api.problems import MEDIA_TYPE, make_problem
from unbraid.web.headers import NO_PAGE

MAX_HEADER_BYTES = 1 << 16  # the most that browsers send, and a sign-in token
HEADER_TIMEOUT_S = 20.0  # until the first byte of the headers, and again until the last

# `web.requests` already logs an answer that stops early because its file was deleted.
INCOMPLETE = "ASGI callable returned without completing response."
logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != INCOMPLETE)


class Protocol(HttpToolsProtocol):
    """One HTTP connection."""

    _header_bytes: int | None = None
    """Bytes of the current headers; None: no headers are being received."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        self._start_timer()

    def on_headers_complete(self) -> None:
        self._header_bytes = None
        self._stop_timer()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._header_bytes is not None and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(431, "The request headers are too large.")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "This is not a valid HTTP request.")

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _refuse(self, status: int, detail: str) -> None:
        problem = make_problem(status, detail)
        body = problem.model_dump_json(exclude_none=True).encode()
        headers = {
            **ALWAYS,
            "content-security-policy": NO_PAGE,
            "content-type": MEDIA_TYPE,
            "connection": "close",
        }
        lines = [
            f"HTTP/1.1 {status} {problem.title}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
        self.transport.write(head.encode() + body)
        self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection. A client's protocol error is not logged as a server error."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = (
                True  # the handshake was refused, which uvicorn misses (its pull request 3138)
            )

    def send_receive_event_to_app(self) -> None:
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.conn.send_close(1007)  # RFC 6455, 8.1
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()
