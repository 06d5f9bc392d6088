"""A fake of the API Gateway management API: `POST /events/@connections/ID`."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class Gateway:
    """Records messages. `gone`: closed connections (410); `broken`: connections that fail (403)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.gone: set[str] = set()
        self.broken: set[str] = set()
        self.sent: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def take_statuses(self, connection_id: str) -> list[tuple[str, str]]:
        """Session and status of each message since the last call."""
        return [(message["session_id"], message["status"]) for message in self.sent.pop(connection_id, [])]


@contextmanager
def running() -> Iterator[Gateway]:
    """Run a gateway on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            before, _, connection_id = unquote(self.path).rpartition("/")
            assert before == "/events/@connections"
            error = None
            if connection_id in gateway.gone:
                error = (410, "GoneException")
            elif connection_id in gateway.broken:
                error = (403, "ForbiddenException")
            else:
                gateway.sent[connection_id].append(json.loads(body))
            self.send_response(200 if error is None else error[0])
            if error is not None:
                self.send_header("x-amzn-ErrorType", error[1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway = Gateway(f"http://127.0.0.1:{server.server_address[1]}/events")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
