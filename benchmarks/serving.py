"""`unbraid serve` as a user starts it, a process of its own that can be killed, for benchmarks. Needs Linux."""

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

PATIENCE_S = 60.0  # for what depends on how busy the machine is
LEAVE_S = 30.0  # and to leave
STOPPED = 128 + signal.SIGTERM
HTTP = urllib3.PoolManager(retries=False, timeout=60, maxsize=64)


class Served:
    """A server with its data in `folder/data` and all that it writes down in `folder/log`.

    Everything else that it could write to by mistake - home, temporary and current folder - is in `folder` too.
    """

    def __init__(self, folder: Path, *options: str, **settings: object) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        for name in ("home", "tmp", "here"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._options = options
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UNBRAID_")},
            **{f"UNBRAID_{name.upper()}": str(value) for name, value in settings.items()},
            "UNBRAID_DATA": str(self.data),
            "UNBRAID_OFFLINE": "1",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        """Without a `/` at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the web process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> float:
        """Start, at the same port as before; seconds until it has answered. Raises SystemExit when it doesn't."""
        command = [sys.executable, "-m", "unbraid", "serve", "--port", str(self.port), *self._options]
        began = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=self.folder / "here",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as told:
            address = told.readline().strip()
        if not address:
            raise SystemExit(f"the server did not start: {self.written()[-2000:]}")
        self.port = urlsplit(address).port or 0
        status, _ = self.call("GET", "/healthz")
        if status != 200:
            raise SystemExit(f"the server answers {status}")
        return time.monotonic() - began

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one call. Raises urllib3's HTTPError where there is no answer."""
        sent = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        answer = HTTP.request(method, self.address + path, body=sent, headers={**kind, **headers})
        return answer.status, json.loads(answer.data)

    def workers(self) -> list[int]:
        """Process ids of the workers that live."""
        found: list[int] = []
        for thread in Path(f"/proc/{self.pid}/task").glob("*"):  # each has those that it started
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
        return [pid for pid in found if is_alive(pid)]

    def processes(self) -> list[int]:
        """Process ids of all that this server, or one before it, has started, wherever they hang now."""
        return [pid for pid in everyone() if f"UNBRAID_DATA={self.data}" in environment(pid)]

    def kill(self) -> None:
        """End the web process, and it alone, without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as a system does that shuts down; its exit code, `STOPPED` where all is well."""
        assert self.process is not None
        self.process.terminate()  # not by SIGINT, to which what a script starts in its background is deaf
        try:
            return self.process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def written(self) -> str:
        """All that it has written down."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def faults(self) -> list[str]:
        """Lines of that which tell of a fault: errors, and anything with a traceback."""
        return [line for line in self.written().splitlines() if is_fault(line)]

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


def is_fault(line: str) -> bool:
    """Whether a line of the log tells of one."""
    try:
        told = json.loads(line)
    except ValueError:
        return "Traceback" in line or "Error" in line
    return told["level"] in ("error", "critical") or "traceback" in told or "Traceback" in told["message"]


def everyone() -> Iterator[int]:
    """Ids of all processes that live."""
    for place in Path("/proc").iterdir():
        if place.name.isdecimal() and is_alive(int(place.name)):
            yield int(place.name)


def environment(pid: int) -> list[str]:
    """`NAME=VALUE` of a process; nothing where that may not be seen."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only what its parent has not asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def memory(pid: int) -> dict[str, int]:
    """Bytes of a process: `Rss` resident, `Pss` its share of what several have (smaps_rollup, proc(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {name: found[name] for name in ("Rss", "Pss")}


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process has used with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def files_in(folder: Path) -> list[str]:
    """All files and folders inside, by their paths in it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
