"""The image has one health check for all its commands."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.local.workspace import wait
from tests.simulators.local_servers import free_port

from unbraid.container import health
from unbraid.container.__main__ import main
from unbraid.local import processes
from unbraid.local.settings import Settings


class Server(ThreadingHTTPServer):
    """Answers 200 at `path`, and 404 elsewhere."""

    path = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.send_response(200 if self.path == self.server.path else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("UNBRAID_PORT", str(server.server_port))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # must not be used
        yield server
        server.shutdown()


@pytest.mark.parametrize(("path", "code"), [("/healthz", 0), ("/ping", 0), ("/", 1)])
def test_either_server_is_healthy_if_it_says_so(server: Server, path: str, code: int) -> None:
    server.path = path
    assert main(["health"]) == code


def test_without_a_server_the_container_is_unhealthy(server: Server) -> None:
    server.shutdown()
    server.server_close()
    assert main(["health"]) == 1


def test_workers_are_healthy_while_their_processes_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_DATA", str(tmp_path))
    monkeypatch.setenv("UNBRAID_PORT", str(free_port()))
    assert main(["health"]) == 1
    file = tmp_path / health.ALIVE_FILE
    assert processes.ALIVE_FILE == health.ALIVE_FILE
    workers = processes.Supervisor(Settings.load(data=tmp_path, workers=1), file)
    workers.start()
    try:
        wait(file.exists)
        assert main(["health"]) == 0
    finally:
        workers.stop(within_s=0)
    os.utime(file, (time.time() - health.ALIVE_S - 1,) * 2)
    assert main(["health"]) == 1
