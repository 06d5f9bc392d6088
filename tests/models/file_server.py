"""A local HTTP server that serves files, with the faults that a test sets."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Fault:
    """A difference from a correct answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Number of bytes of the body after which the connection closes."""
    body: bytes | None = None
    """A different file."""
    length: int | None = None
    """A different Content-Length; -1: no header, so that the body ends with the connection."""
    chunked: bool = False
    ignores_range: bool = False
    ignores_version: bool = False
    """Answer with a range although If-Range has another version."""
    pause_s: float = 0.0
    """Pause in the middle of the body, or between its pieces."""
    pieces: int = 2
    """Number of pieces in which the body is sent."""


class FileServer(ThreadingHTTPServer):
    """Serves `files` by name, with `faults` for the next answers (with `forever`, the last fault repeats)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.etag: str | None = '"one"'
        self.faults: list[Fault] = []
        self.forever = False
        self.requests: list[tuple[str, Message]] = []
        self.scheme = "http"

    @property
    def address(self) -> str:
        """Base address of all files."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers["Range"] for _, headers in self.requests]

    def next_fault(self) -> Fault:
        if not self.faults:
            return Fault()
        return self.faults[0] if self.forever and len(self.faults) == 1 else self.faults.pop(0)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection: tests do that."""


class Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers))
        fault = self.server.next_fault()
        body = self.server.files.get(urlsplit(self.path).path.rsplit("/", 1)[-1])
        self.close_connection = True
        if fault.status:
            return self.answer(fault.status, fault.headers, b"no", Fault())
        if body is None:
            return self.answer(404, {}, b"no", Fault())
        body = body if fault.body is None else fault.body
        headers = {"ETag": self.server.etag} if self.server.etag else {}
        if self.path.endswith("/"):  # the page of a package index
            headers["Content-Type"] = "text/html"
        start = 0
        same = self.headers["If-Range"] in (None, self.server.etag) or fault.ignores_version
        if self.headers["Range"] and same and not fault.ignores_range:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.answer(416, {"Content-Range": f"bytes */{len(body)}"}, b"", Fault())
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self.answer(206 if start else 200, headers | fault.headers, body[start:], fault)

    def do_CONNECT(self) -> None:
        """Answer a proxy request for an https address."""
        self.do_GET()

    def answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif fault.length != -1:
            self.send_header("Content-Length", str(len(body) if fault.length is None else fault.length))
        self.send_header("Connection", "close")
        self.end_headers()
        sent = body[: fault.cut]
        if fault.chunked:
            end = b"" if fault.cut is not None else b"0\r\n\r\n"
            sent = b"%x\r\n%s\r\n%s" % (len(sent), sent, end)
        size = max(1, -(-len(sent) // fault.pieces))
        for start in range(0, len(sent), size):
            if start and fault.pause_s:
                time.sleep(fault.pause_s)
            self.wfile.write(sent[start : start + size])
            self.wfile.flush()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[FileServer]:
    """Run a server inside the block, over TLS if `certificate` is a file with certificate and key."""
    with FileServer() as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
