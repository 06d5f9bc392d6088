"""Supervise the worker processes of a server: start them, replace dead ones, and stop them with the server.

The session of a dead worker stays IN_PROGRESS until its lease expires; then the sweeper requeues it.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unbraid.local.child_process import ChildProgram, wait_or_kill
from unbraid.local.settings import Settings

POLL_S = 0.25
HEALTHY_S = 10.0  # a worker that lived this long is replaced without a pause
# Pause before replacing a worker that died early. It doubles each time, up to the second value.
BACKOFF_S = (0.5, 30.0)
GRACE_S = 10.0  # for workers to release their jobs and exit

ALIVE_S = 5.0
ALIVE_FILE = "workers-alive"  # in the data folder of `unbraid worker`

log = logging.getLogger(__name__)


class Supervisor:
    """Runs `settings.worker_count` workers, which share the cores. Call `start` and `stop` once each.

    While a worker runs, `alive` is touched every ALIVE_S seconds, for health checks.
    """

    def __init__(self, settings: Settings, alive: Path | None = None) -> None:
        self._program = ChildProgram(
            "unbraid.local.worker", settings, "--workers", str(settings.worker_count)
        )
        self._alive, self._touched = alive, 0.0
        self._stop_s = settings.drain_s + GRACE_S
        self._slots = [_Slot() for _ in range(settings.worker_count)]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the workers, and a thread that supervises them."""
        for slot in self._slots:
            self._spawn(slot)
        self._thread.start()

    def stop(self, within_s: float | None = None) -> None:
        """Let the workers finish or release their jobs and exit; kill those still running after `within_s` seconds.

        By default they have as long as the settings give them to finish, and a moment more.
        """
        self._stopping.set()
        self._thread.join()
        running = [slot.process for slot in self._slots if slot.process is not None]
        for process in running:
            process.terminate()
        until = time.monotonic() + (self._stop_s if within_s is None else within_s)
        for process in running:
            wait_or_kill(process, max(0.0, until - time.monotonic()))

    def pids(self) -> list[int]:
        """Return the process ids of the running workers."""
        running = [slot.process for slot in self._slots if slot.process is not None]
        return [process.pid for process in running if process.poll() is None]

    def _supervise(self) -> None:
        while not self._stopping.wait(POLL_S):
            for slot in self._slots:
                if slot.process is not None and slot.process.poll() is not None:
                    self._schedule_restart(slot, slot.process.returncode)
                if slot.process is None and time.monotonic() >= slot.start_at:
                    self._spawn(slot)
            self._touch()

    def _touch(self) -> None:
        now = time.monotonic()
        if self._alive is not None and now - self._touched >= ALIVE_S and self.pids():
            with suppress(OSError):
                self._alive.touch()
                self._touched = now

    def _schedule_restart(self, slot: _Slot, exit_code: int) -> None:
        lived = time.monotonic() - slot.started
        slot.pause_s = 0.0 if lived >= HEALTHY_S else min(max(BACKOFF_S[0], 2 * slot.pause_s), BACKOFF_S[1])
        slot.start_at = time.monotonic() + slot.pause_s
        slot.process = None
        log.warning("a worker died (exit code %d); the next starts in %.1f s", exit_code, slot.pause_s)

    def _spawn(self, slot: _Slot) -> None:
        slot.started = time.monotonic()
        try:
            slot.process = self._program.start()
        except OSError:
            log.exception("a worker can't be started")
            slot.start_at = time.monotonic() + BACKOFF_S[1]


@dataclass
class _Slot:
    """The place of one worker: its process, or the time to start the next one."""

    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause_s: float = 0.0
