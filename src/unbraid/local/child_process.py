"""Start and end processes of a server that run a module of `unbraid`."""

from __future__ import annotations

import os
import subprocess
import sys

from unbraid.local.settings import Settings


class ChildProgram:
    """A module that runs as a process of its own, with the settings of this server in its environment.

    It gets the option `--parent` with the id of this process.
    """

    def __init__(self, module: str, settings: Settings, *options: str) -> None:
        # If this interpreter runs with -I, isolate the process too from the current folder and the user's packages.
        isolated = ["-I"] if sys.flags.isolated else []
        self._command = [sys.executable, *isolated, "-m", module, "--parent", str(os.getpid()), *options]
        self._environment = {**os.environ, **settings.environment()}

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process. Raises OSError."""
        # In a new process session, Ctrl-C in a terminal reaches only the server, which then stops its processes.
        return subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
        )


def wait_or_kill(process: subprocess.Popen[bytes], within_s: float) -> None:
    """Wait for the end of a process that has received a signal to end; kill it after `within_s` seconds."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
