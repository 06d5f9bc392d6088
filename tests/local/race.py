"""Run calls in several processes at the same moment. Each process runs this file: it prepares a call and waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.jobs.memory import MemoryObjects, Outbox

from unbraid.jobs.leases import Leases
from unbraid.jobs.limits import Limits
from unbraid.jobs.service import Service
from unbraid.jobs.sessions import Sessions
from unbraid.jobs.sweeper import Sweeper
from unbraid.local.sql import SqlStore

LEASE_S = 3600


def open_sessions(url: str) -> Sessions:
    """Open sessions. Processes share only their records."""
    outbox = Outbox()
    return Sessions(SqlStore(url), MemoryObjects(), outbox, outbox, Limits(lease_s=LEASE_S))


def count_sessions(url: str) -> Callable[[], int]:
    """Count the sessions. The database is opened during the race."""
    return lambda: sum(open_sessions(url).store.counts().values())


def take_all(url: str, worker: str) -> Callable[[], list[str]]:
    """Take all pending sessions, and return the ids of the sessions that this worker got."""
    leases = Leases(open_sessions(url))
    return lambda: [session.id for session in iter(lambda: leases.take(worker), None)]


def begin_all(url: str, worker: str, ids: list[str]) -> Callable[[], list[str]]:
    """Begin the sessions `ids`, and return the ids that this worker got."""
    leases = Leases(open_sessions(url))
    return lambda: [session_id for session_id in ids if leases.begin(session_id, worker) is not None]


def recover(url: str) -> Callable[[], int]:
    """Requeue sessions long after their leases expired, and return how many."""
    sessions = open_sessions(url)
    sessions.clock = lambda: time.time() + 2 * LEASE_S
    return Sweeper(sessions).recover


def complete_all(url: str, worker: str, ids: list[str]) -> Callable[[], list[bool]]:
    """Complete the sessions `ids`, and return whether each was accepted."""
    leases = Leases(open_sessions(url))
    return lambda: [leases.complete(session_id, worker, [], 1.0, "lite") for session_id in ids]


def cancel_all(url: str, ids: list[str]) -> Callable[[], list[str]]:
    """Cancel the sessions `ids`, and return their states."""
    service = Service(open_sessions(url))
    return lambda: [service.cancel(session_id).state for session_id in ids]


class RacingProcesses:
    """Processes that run calls at the same moment, any number of times."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def __len__(self) -> int:
        return len(self._processes)

    def run(self, *calls: tuple[Callable[..., Any], dict[str, Any]]) -> list[Any]:
        """Run one call in each process, started when all are ready, and return their results."""
        for process, (function, arguments) in zip(self._processes, calls, strict=True):
            _write(process, json.dumps([function.__name__, arguments]))
        assert [_read(process) for process in self._processes] == ["ready"] * len(self)
        for process in self._processes:
            _write(process, "go")
        return [json.loads(_read(process)) for process in self._processes]


@contextmanager
def start_processes(count: int) -> Iterator[RacingProcesses]:
    """Start `count` processes."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    command = [sys.executable, "-m", "tests.local.race"]
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=root
        )
        for _ in range(count)
    ]
    try:
        yield RacingProcesses(processes)
    finally:
        for process in processes:
            process.communicate(timeout=60)  # closes their input, which ends them


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def main() -> None:
    """Run the calls from standard input until it is closed."""
    for line in sys.stdin:
        name, arguments = json.loads(line)
        call = globals()[name](**arguments)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        sys.stdout.write(json.dumps(call()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
