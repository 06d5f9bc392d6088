"""Run ASGI applications at free ports of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serve_app(application: Any, port: int = 0) -> Iterator[str]:
    """Serve `application` from a thread of its own while the context lasts. Yields `host:port`."""
    listening = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        application,
        log_level="critical",
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # the client is where the connection comes from, whatever its headers say
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="server", daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def free_port() -> int:
    """A port that no server uses."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
