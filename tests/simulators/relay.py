"""An HTTP server between the application and the AWS APIs: a function of the test answers or forwards each call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3


@dataclass(frozen=True)
class Call:
    """One request as it arrived. Header names are in lower case."""

    method: str
    path: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Name of the DynamoDB operation."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]


@dataclass(frozen=True)
class Answer:
    """Response to a call."""

    status: int
    body: bytes
    headers: Mapping[str, str]


Respond = Callable[[Call], Answer | None]
"""Returns None to close the connection without an answer."""


def refusal(status: int, code: str, message: str = "") -> Answer:
    """An error in the format of AWS's JSON services."""
    body = f'{{"__type": "{code}", "message": "{message}"}}'.encode()
    return Answer(status, body, {"content-type": "application/json", "x-amzn-errortype": code})


@contextmanager
def server(respond: Respond) -> Iterator[str]:
    """Run a server that answers with `respond`. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("expect", "").lower() == "100-continue":
                headers.pop("expect")
            body = self.rfile.read(int(headers.get("content-length", 0)))
            answer = respond(Call(self.command, self.path, headers, body))
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in (
                    "content-length",
                    "connection",
                    "transfer-encoding",
                    "date",
                    "server",
                ):
                    self.send_header(name, value)
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def passed_on(url: str, call: Call, body: bytes | None = None, path: str | None = None) -> Answer:
    """Forward the call to the server at `url`, optionally with another body or path, and return its answer."""
    if body is not None:
        call = replace(call, body=body)
    headers = {k: v for k, v in call.headers.items() if k not in ("content-length", "connection", "host")}
    got = urllib3.request(
        call.method, url + (path or call.path), body=call.body, headers=headers, redirect=False, retries=False
    )
    return Answer(got.status, got.data, dict(got.headers))
