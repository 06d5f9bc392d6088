"""Run the worker that teaches a model while there is something to check or to teach."""

from __future__ import annotations

import logging
import subprocess
import threading

from unbraid.local.child_process import ChildProgram, wait_or_kill
from unbraid.local.settings import Settings
from unbraid.local.teaching import ERROR, WORKING, Phase, Run, Teaching
from unbraid.local.teaching_worker import CRASHED

POLL_S = 0.5
MOST_CRASHES = 3  # without any work in between; then the run stops with an error
GRACE_S = 5.0

log = logging.getLogger(__name__)


class TeachingSupervisor:
    """Starts and stops the worker of the run of a server. Call `start` and `stop` once each."""

    def __init__(self, settings: Settings) -> None:
        self._program = ChildProgram("unbraid.local.teaching_worker", settings)
        self._teaching = Teaching(settings.data)
        self._abandoned_s = settings.results_s
        self._process: subprocess.Popen[bytes] | None = None
        self._run: Run | None = None
        self._crashes = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="teaching", daemon=True)

    def start(self) -> None:
        """Start a thread that supervises the worker."""
        self._thread.start()

    def stop(self, within_s: float = GRACE_S) -> None:
        """End the worker. The run continues when the server starts again."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._end(within_s)

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception:
                log.exception("the run can't be read")
            self._stopping.wait(POLL_S)

    def _look(self) -> None:
        run, phase = self._teaching.run(), self._teaching.phase()
        if self._process is not None:
            if run != self._run:  # stopped, discarded, or something else is wanted
                self._end(GRACE_S)
            elif (code := self._process.poll()) is not None:
                self._process = None
                self._crashes = self._crashes + 1 if code else 0
            return
        if run != self._run:
            self._crashes = 0
        self._run = run
        if phase in WORKING:
            if self._crashes >= MOST_CRASHES:
                self._teaching.write(ERROR, {"detail": CRASHED})
            else:
                self._process = self._program.start()
        elif phase != Phase.NONE and self._teaching.unchanged_s() > self._abandoned_s:
            self._teaching.abandon()

    def _end(self, within_s: float) -> None:
        if self._process is None:
            return
        self._process.terminate()
        wait_or_kill(self._process, within_s)
        self._process = None
