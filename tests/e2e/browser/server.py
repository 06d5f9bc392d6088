"""Run `unbraid serve` in its own process, which can be killed and restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


class Server:
    """A running server with its songs in the folder `data`."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data, self.options = data, options
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.log = data.with_suffix(".log")
        self.start()

    @property
    def address(self) -> str:
        """URL of the page."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start on the same port as before, and wait until the server answers."""
        command = [sys.executable, "-m", "unbraid", "serve", "--data", str(self.data), "--workers", "1"]
        command += ["--port", str(self.port), *self.options]
        # A process group of its own, so that a kill ends its workers too, as a power cut would.
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        assert self.process.stdout is not None
        address = self.process.stdout.readline().strip()
        if not address:
            raise AssertionError(f"the server did not start: {self.log.read_text()}")
        self.port = urlsplit(address).port or 0

    def kill(self) -> None:
        """Kill the server and its workers."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stop the server as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def songs_on_disk(self) -> list[str]:
        """Names of all files of songs."""
        objects = self.data / "objects"
        return sorted(str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file())


@contextmanager
def running_server(data: Path, *options: str) -> Iterator[Server]:
    """A server with its songs in this folder."""
    server = Server(data, *options)
    try:
        yield server
    finally:
        server.stop()
