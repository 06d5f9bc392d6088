"""A small client of WebDriver (W3C) for Debian's WebKitGTK: a tab of its MiniBrowser on a virtual screen."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

DRIVER = Path("/usr/bin/WebKitWebDriver")
SCREEN = Path("/usr/bin/Xvfb")
STARTING_S = 60  # long, as the machine may be busy
ANSWER_S = 180
WAIT_S = 120


class Tab:
    """A tab of the browser."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        answer = self._call("", capabilities={"alwaysMatch": {}})
        self._session = f"/{answer['sessionId']}"
        self._call(f"{self._session}/timeouts", script=ANSWER_S * 1000)

    def _call(self, path: str, **parameters: Any) -> Any:
        answer = self._client.post(f"/session{path}", content=json.dumps(parameters))
        value = answer.json()["value"]
        if answer.is_error:
            raise AssertionError(f"{path}: {value['error']}: {value['message']}")
        return value

    def close(self) -> None:
        """End the browser."""
        self._client.delete(f"/session{self._session}")

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self._call(f"{self._session}/url", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise, as JSON has it."""
        script = (
            "const done = arguments[arguments.length - 1];"
            f"(async () => ({expression}))().then((value) => done([value ?? null]), (error) => done(String(error)))"
        )
        answer = self._call(f"{self._session}/execute/async", script=script, args=[])
        if not isinstance(answer, list):
            raise AssertionError(answer)
        return answer[0]

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, for two minutes at most. Returns its value."""
        end = time.monotonic() + WAIT_S
        while not (value := self.evaluate(expression)) and time.monotonic() < end:
            time.sleep(0.2)
        return value

    def click(self, expression: str) -> None:
        """Click the element of an expression as a user does, so that the page may sound."""
        (element,) = self._call(f"{self._session}/execute/sync", script=f"return [{expression}]", args=[])
        (reference,) = element.values()
        self._call(f"{self._session}/element/{reference}/click")


@contextmanager
def virtual_screen() -> Iterator[str]:
    """A screen without a monitor. Returns its name."""
    read, write = os.pipe()
    command = [str(SCREEN), "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as process:
        os.close(write)
        try:
            with os.fdopen(read) as pipe:
                number = pipe.readline().strip()
            yield f":{number}"
        finally:
            process.terminate()


@contextmanager
def running_webkit(folder: Path, environment: Mapping[str, str]) -> Iterator[Tab]:
    """A MiniBrowser that stores nothing."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with virtual_screen() as screen, (folder / "log").open("w") as log:
        settings = {**environment, "DISPLAY": screen, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        command = [str(DRIVER), f"--port={port}"]
        with subprocess.Popen(command, env=settings, stdout=log, stderr=log) as process:
            try:
                wait_for_port(port)
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWER_S) as client:
                    tab = Tab(client)
                    yield tab
                    tab.close()
            finally:
                process.terminate()


def wait_for_port(port: int) -> None:
    """Wait until a server listens."""
    end = time.monotonic() + STARTING_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
