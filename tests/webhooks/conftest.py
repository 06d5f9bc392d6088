"""A program that receives webhooks: an HTTPS server on this machine."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.certificates import write_certificate


@dataclass
class Receiver:
    """The requests that arrived, and the statuses to answer; 200 when they run out."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    location: str | None = None
    """Where answers redirect to."""
    drips: bool = False
    """Whether it answers with one byte at a time, without an end."""
    arrived: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers in lower case, and body."""


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Start a receiver whose certificate is trusted in this test."""
    with running_receiver(write_certificate(tmp_path / "receiver.pem")) as (receiver, trust):
        for name, value in trust.items():
            monkeypatch.setenv(name, value)
        yield receiver


@contextmanager
def running_receiver(certificate: Path) -> Iterator[tuple[Receiver, dict[str, str]]]:
    """Start a receiver. Also yields the environment in which its certificate is trusted."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.arrived.append(
                (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            with suppress(OSError):
                while receiver.drips:
                    self.wfile.write(b"H")
                    time.sleep(0.02)
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.url = f"https://localhost:{server.server_port}/done?key=1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver, {"SSL_CERT_FILE": str(certificate)}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
