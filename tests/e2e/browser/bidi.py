"""A small client of WebDriver BiDi (W3C), which Debian's Firefox speaks without a driver."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

STARTING_S = 120  # long, as the machine may be busy
ANSWER_S = 180
PREFERENCES = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
}


class Tab:
    """A tab of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._call("session.new", capabilities={})
        self.context: str = self._call("browsingContext.create", type="tab")["context"]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=ANSWER_S))
            if answer.get("id") == number:
                if answer["type"] != "success":
                    raise AssertionError(f"{method}: {answer['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def preload(self, script: str) -> None:
        """Run a function in each page before the page's own scripts."""
        self._call("script.addPreloadScript", functionDeclaration=script)

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self._call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise, as JSON has it. The user is taken as present."""
        answer = self._call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] != "success":
            raise AssertionError(answer["exceptionDetails"]["text"])
        value = answer["result"].get("value")
        return None if value is None else json.loads(value)

    def click(self, expression: str) -> None:
        """Click the element of an expression."""
        self.evaluate(f"({expression}.click(), true)")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true, for two minutes at most. Returns its value."""
        return self.evaluate(
            f"(async () => {{ for (let tries = 0; tries < 600; tries += 1) {{ const value = await ({expression});"
            f" if (value) return value; await new Promise((next) => setTimeout(next, 200)); }} return null; }})()"
        )


def address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until Firefox has written its address."""
    end = time.monotonic() + STARTING_S
    while process.poll() is None and time.monotonic() < end:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox did not start: {log.read_text(errors='replace')}")


@contextmanager
def running_firefox(
    executable: Path, profile: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Tab]:
    """A Firefox without a window, with a new profile."""
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    options = ["--headless", "--no-remote", "--remote-debugging-port", "0"]
    command = [str(executable), *options, "--profile", str(profile)]
    log = profile.with_suffix(".log")  # a pipe that is not read to the end would stop Firefox when it is full
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=errors, stderr=errors, env=environment) as process,
    ):
        try:
            with connect(f"{address_in(log, process)}/session", max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(30)
