"""`unbraid serve` in its own process, which a test can kill. Needs Linux."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3

PATIENCE_S = 60.0  # for steps that depend on how busy the machine is
STOP_S = 30.0
EXIT_CODE = 128 + signal.SIGTERM
HTTP = urllib3.PoolManager(retries=False, timeout=60, maxsize=64)


class LocalServer:
    """A server with its data in `folder/data`, its log in `folder/log` and compiled networks in `folder/cache`.

    Its home, temporary and current folders are in `folder` too, so that a test sees any file written there by mistake.
    """

    def __init__(self, folder: Path, *options: str, **settings: object) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        self.cache = folder / "cache"
        for name in ("home", "tmp", "current"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._options = options
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UNBRAID_")},
            **{f"UNBRAID_{name.upper()}": str(value) for name, value in settings.items()},
            "UNBRAID_DATA": str(self.data),
            "UNBRAID_CACHE": str(self.cache),
            "UNBRAID_OFFLINE": "1",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        }
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """URL of the server, without a final `/`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the web process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> float:
        """Start the server, at the same port as before, and wait for its first answer. Returns the seconds needed."""
        command = [sys.executable, "-m", "unbraid", "serve", "--port", str(self.port), *self._options]
        began = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=self.folder / "current",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as output:
            url = output.readline().strip()
        assert url, f"the server did not start: {self.log_text()[-2000:]}"
        self.port = urlsplit(url).port or 0
        status, _ = self.call("GET", "/healthz")
        assert status == 200, f"the server is not healthy: {status}"
        return time.monotonic() - began

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one call. Raises urllib3's HTTPError if the server does not answer."""
        content = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        answer = HTTP.request(method, self.url + path, body=content, headers={**kind, **headers})
        return answer.status, json.loads(answer.data)

    def workers(self) -> list[int]:
        """Process ids of the living workers."""
        found: list[int] = []
        for thread in Path(f"/proc/{self.pid}/task").glob("*"):  # each thread lists the processes it started
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
        return [pid for pid in found if is_alive(pid)]

    def processes(self) -> list[int]:
        """Ids of all living processes that this server, in any of its starts, has started."""
        return [pid for pid in living_processes() if f"UNBRAID_DATA={self.data}" in environment(pid)]

    def kill(self) -> None:
        """Kill the web process only (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop the server as a system shutdown does. Returns its exit code, `EXIT_CODE` for a clean stop."""
        assert self.process is not None
        self.process.terminate()  # not SIGINT, which background processes of a script ignore
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def log_text(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def logged_errors(self) -> list[str]:
        """Lines of the log that are errors or contain a traceback."""
        return [line for line in self.log_text().splitlines() if is_error(line)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_error(line: str) -> bool:
    """Whether a line of the log is an error or contains a traceback."""
    try:
        record = json.loads(line)
    except ValueError:
        return "Traceback" in line or "Error" in line
    return (
        record["level"] in ("error", "critical") or "traceback" in record or "Traceback" in record["message"]
    )


def living_processes() -> Iterator[int]:
    """Ids of all living processes of this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and is_alive(int(entry.name)):
            yield int(entry.name)


def environment(pid: int) -> list[str]:
    """`NAME=VALUE` lines of a process; empty if this user may not read them."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def memory(pid: int) -> dict[str, int]:
    """Bytes of a process: `Rss` resident, `Pss` with shared pages divided among their users (proc(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {name: found[name] for name in ("Rss", "Pss")}


def cpu_s(pid: int) -> float:
    """CPU time in seconds that all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def files_in(folder: Path) -> list[str]:
    """Relative paths of all files and folders in `folder`."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
