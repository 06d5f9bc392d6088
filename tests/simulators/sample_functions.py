"""Small functions and a small container for the tests of the simulators."""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def echo(event: Any, context: Any) -> dict[str, Any]:
    """Return event and environment as the body of an HTTP answer."""
    body = {
        "event": event,
        "environment": dict(os.environ),
        "left_ms": context.get_remaining_time_in_millis(),
    }
    return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def slow(event: Any, context: Any) -> None:
    """Take longer than the function's timeout."""
    time.sleep(30)


def failing(event: Any, context: Any) -> None:
    """Append a line to `event["file"]`, then fail."""
    with Path(event["file"]).open("a") as file:
        file.write("failed\n")
    raise ValueError("no")


class _Container(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.3)
        if body == b"die":
            os._exit(1)
        self._answer(400 if body == b"bad" else 200, body.upper())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["UNBRAID_PORT"])), _Container).serve_forever()
    sys.exit()
