"""The worker processes of a server: started, watched, started again when one dies, and stopped with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from unbraid.local.settings import Settings

LOOK_S = 0.25
HEALTHY_S = 10.0  # who lived that long is replaced at once
PAUSES_S = (0.5, 30.0)  # before a start after an early death, and what that grows to by doubling
STOP_S = 10.0  # for workers to give their jobs back and leave

log = logging.getLogger(__name__)


class Workers:
    """`settings.worker_count` workers, which share the cores. `start` and `stop` once each."""

    def __init__(self, settings: Settings) -> None:
        # As this interpreter was started: without the current folder and the user's own packages, where that is so.
        isolated = ["-I"] if sys.flags.isolated else []
        self._command = [sys.executable, *isolated, "-m", "unbraid.local.worker"]
        self._command += ["--parent", str(os.getpid()), "--workers", str(settings.worker_count)]
        self._environment = {**os.environ, **settings.environment()}
        self._slots = [_Slot() for _ in range(settings.worker_count)]
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="workers", daemon=True)

    def start(self) -> None:
        """Start them, and a thread that watches them."""
        for slot in self._slots:
            self._spawn(slot)
        self._watcher.start()

    def stop(self, within_s: float = STOP_S) -> None:
        """Let them give back what they are at, and wait until they have left; who hasn't then is killed."""
        self._stopping.set()
        self._watcher.join()
        running = [slot.process for slot in self._slots if slot.process is not None]
        for process in running:
            process.terminate()
        until = time.monotonic() + within_s
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def pids(self) -> list[int]:
        """Of those that live."""
        running = [slot.process for slot in self._slots if slot.process is not None]
        return [process.pid for process in running if process.poll() is None]

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_S):
            for slot in self._slots:
                if slot.process is not None and slot.process.poll() is not None:
                    self._bury(slot, slot.process.returncode)
                if slot.process is None and time.monotonic() >= slot.start_at:
                    self._spawn(slot)

    def _bury(self, slot: _Slot, code: int) -> None:
        lived = time.monotonic() - slot.started
        slot.pause_s = 0.0 if lived >= HEALTHY_S else min(max(PAUSES_S[0], 2 * slot.pause_s), PAUSES_S[1])
        slot.start_at = time.monotonic() + slot.pause_s
        slot.process = None
        log.warning("a worker ended by itself (%d); the next starts in %.1f s", code, slot.pause_s)

    def _spawn(self, slot: _Slot) -> None:
        slot.started = time.monotonic()
        try:
            # A session of its own, as Ctrl-C in a terminal goes to the server, which then stops its workers.
            slot.process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError:
            log.exception("a worker can't be started")
            slot.start_at = time.monotonic() + PAUSES_S[1]


@dataclass
class _Slot:
    """The place of one worker."""

    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause_s: float = 0.0
