"""What uvicorn leaves open: how long and how large the head of a request may be, and the answer to what is none."""

from __future__ import annotations

import asyncio
import logging

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from unbraid.api.headers import ALWAYS
from unbraid.api.problems import MEDIA_TYPE, described
from unbraid.web.headers import NO_PAGE

LARGEST_HEAD = 1 << 16  # bytes; as much as browsers send at most, and a token of sign-in
HEAD_S = 20.0  # for all of the head to come, or the first of it

# Whoever cuts an answer short, as its file was deleted, has written that down already, and as what it is.
CUT_SHORT = "ASGI callable returned without completing response."
logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != CUT_SHORT)


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head: int | None = None
    """Bytes of the head so far; None: no head is on its way."""
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._head = None
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self._refuse(431, "The headers of this request are too large.")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "This is no HTTP request.")

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _refuse(self, status: int, detail: str) -> None:
        problem = described(status, detail)
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
    """One WebSocket. What others do wrong is no error of ours, and not written down as one."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by a refusal, which uvicorn forgets (its pull request 3138)

    def send_receive_event_to_app(self) -> None:
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.conn.send_close(1007)  # RFC 6455, 8.1
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()
