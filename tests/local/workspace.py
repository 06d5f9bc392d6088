"""A data folder with its database, sessions and worker processes, as in the web app."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from unbraid.jobs.runner import clear_scratch
from unbraid.jobs.service import Service
from unbraid.jobs.session import Choices, Session, State
from unbraid.jobs.sweeper import Sweeper
from unbraid.local.factory import open_sessions
from unbraid.local.settings import Settings

TIMEOUT_S = 60.0  # enough on a busy machine
T = TypeVar("T")
LITE = Choices(model="lite")


class Workspace:
    """The sessions of a server with its data in `folder`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.settings = Settings.load(data=folder / "data", keep_free_bytes=0, **settings)
        self.sessions = open_sessions(self.settings)
        self.service = Service(self.sessions)
        self.scratch = self.settings.data / "scratch"

    def add_song(self, song: Path, choices: Choices = LITE) -> str:
        """Upload and start `song`; return the id of its pending session."""
        session = self.service.upload(song.name, "audio/wav").session
        copy = self.settings.data / "upload"
        copy.write_bytes(song.read_bytes())
        self.sessions.objects.put(copy, session.input_key, "audio/wav")
        return self.service.start(session.id, choices=choices).id

    def start_worker(self, *, parent: int | None = None) -> subprocess.Popen[bytes]:
        """Start a worker process."""
        return subprocess.Popen(self.command(parent), env=self.full_environment())

    def command(self, parent: int | None = None) -> list[str]:
        command = [sys.executable, "-m", "unbraid.local.worker"]
        return command if parent is None else [*command, "--parent", str(parent)]

    def environment(self) -> dict[str, str]:
        source = Path(__file__).parents[2] / "src"
        return {**self.settings.environment(), "PYTHONPATH": str(source)}

    def full_environment(self) -> dict[str, str]:
        """Environment of a command that finds the data of this workspace."""
        return {**os.environ, **self.environment()}

    def recover(self) -> int:
        """Run the sweeper as if every lease had expired."""
        self.sessions.clock = lambda: time.time() + 3600
        try:
            return Sweeper(self.sessions).recover()
        finally:
            self.sessions.clock = time.time

    def wait_for(self, session_id: str, state: State, with_progress: bool = False) -> Session:
        """Wait until the session is in `state` and, if `with_progress`, until some of the work is done."""
        return wait(lambda: self._session_in(session_id, state, with_progress))

    def _session_in(self, session_id: str, state: State, with_progress: bool) -> Session | None:
        session = self.sessions.store.get(session_id)
        assert session is not None
        return session if session.state == state and (session.progress > 0 or not with_progress) else None

    def wait_until_only(self, *names: str) -> None:
        """Wait until only files with these names remain. Clear the scratch folder as the next worker would.

        A worker that is killed during a long segment doesn't remove its own files.
        """

        def cleared() -> bool:
            clear_scratch(self.scratch)
            return self.files() == sorted(names)

        wait(cleared)

    def files(self) -> list[str]:
        """Return the names of all files except the database and the secret."""
        folders = (self.settings.objects, self.scratch)
        return sorted(path.name for folder in folders for path in folder.rglob("*") if path.is_file())


def wait(check: Callable[[], T | None]) -> T:
    """Call `check` until its result is true, and return the result."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if result := check():
            return result
        time.sleep(0.02)
    raise TimeoutError
