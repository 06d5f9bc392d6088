"""An endpoint instance: starts, pings and stops the container's real server as SageMaker does.

Follows https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import urllib3
from tests.simulators.local_servers import free_port

START_WITHIN_S = 60.0  # SageMaker allows eight minutes
STOP_WITHIN_S = 30.0
PING_EVERY_S = 0.1

HTTP = urllib3.PoolManager(retries=False, maxsize=8)


class ContainerGone(Exception):  # noqa: N818 - an event
    """The container ended or closed the connection."""


class InvocationTimedOut(Exception):  # noqa: N818 - an event
    """The invocation exceeded its time limit."""


class EndpointInstance:
    """One container, run by `command`. Each has its own port, because several share this machine."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.port = free_port()
        self.busy = 0
        self.ready = False
        self.stopping = False
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                env={**environment, "UNBRAID_HOST": "127.0.0.1", "UNBRAID_PORT": str(self.port)},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._pinging = threading.Thread(target=self._ping, daemon=True)
        self._pinging.start()

    @property
    def ended(self) -> bool:
        """Whether the container has ended."""
        return self.process.poll() is not None

    def _ping(self) -> None:
        until = time.monotonic() + START_WITHIN_S
        while time.monotonic() < until and not self.ended:
            try:
                if HTTP.request("GET", f"http://127.0.0.1:{self.port}/ping", timeout=2).status == 200:
                    self.ready = True
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(PING_EVERY_S)
        self.kill()

    def invoke(self, body: bytes, headers: Mapping[str, str], within_s: float) -> tuple[int, bytes, str]:
        """Status, body and media type of `POST /invocations`. Raises ContainerGone, InvocationTimedOut."""
        address = f"http://127.0.0.1:{self.port}/invocations"
        timeout = urllib3.Timeout(connect=2, read=within_s)
        try:
            answer = HTTP.request("POST", address, body=body, headers=dict(headers), timeout=timeout)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise InvocationTimedOut from error
        except urllib3.exceptions.HTTPError as error:
            raise ContainerGone from error
        return answer.status, answer.data, answer.headers.get("Content-Type", "")

    def stop(self) -> None:
        """Stop as SageMaker does: SIGTERM, then SIGKILL after a while."""
        self.stopping = True
        if not self.ended:
            self.process.send_signal(signal.SIGTERM)

        def kill_if_slow() -> None:
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()

        threading.Thread(target=kill_if_slow, daemon=True).start()

    def kill(self) -> None:
        """Kill the container at once, as when its machine fails."""
        if not self.ended:
            self.process.kill()
            self.process.wait()
