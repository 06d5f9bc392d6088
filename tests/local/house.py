"""The web app's back rooms: a service in a folder of its own, songs in it, and workers."""

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

PATIENCE_S = 60.0  # on a busy machine
T = TypeVar("T")
LITE = Choices(model="lite")


class House:
    """`service` over a database and files in `folder`, as the server has them."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.settings = Settings.load(data=folder / "data", keep_free_bytes=0, **settings)
        self.sessions = open_sessions(self.settings)
        self.service = Service(self.sessions)
        self.scratch = self.settings.data / "scratch"

    def bring(self, song: Path, choices: Choices = LITE) -> str:
        """Id of a session that waits to be worked on."""
        session = self.service.upload(song.name, "audio/wav").session
        copy = self.settings.data / "upload"
        copy.write_bytes(song.read_bytes())
        self.sessions.objects.put(copy, session.input_key, "audio/wav")
        return self.service.start(session.id, choices=choices).id

    def worker(self, *, parent: int | None = None) -> subprocess.Popen[bytes]:
        """A worker process."""
        return subprocess.Popen(self.command(parent), env={**os.environ, **self.environment()})

    def command(self, parent: int | None = None) -> list[str]:
        command = [sys.executable, "-m", "unbraid.local.worker"]
        return command if parent is None else [*command, "--parent", str(parent)]

    def environment(self) -> dict[str, str]:
        source = Path(__file__).parents[2] / "src"
        return {**self.settings.environment(), "PYTHONPATH": str(source)}

    def recover(self) -> int:
        """As if every lease had run out."""
        self.sessions.clock = lambda: time.time() + 3600
        try:
            return Sweeper(self.sessions).recover()
        finally:
            self.sessions.clock = time.time

    def until(self, session_id: str, state: State, begun: bool = False) -> Session:
        """The record once it is in that state; with `begun`, and some of the work is done."""
        return wait(lambda: self._in(session_id, state, begun))

    def _in(self, session_id: str, state: State, begun: bool) -> Session | None:
        session = self.sessions.store.get(session_id)
        assert session is not None
        return session if session.state == state and (session.progress > 0 or not begun) else None

    def until_left(self, *names: str) -> None:
        """Wait until these are all files, which they are once the next worker has come: one that is in a long segment
        when it has to end doesn't tidy up."""

        def left() -> bool:
            clear_scratch(self.scratch)
            return self.files() == sorted(names)

        wait(left)

    def files(self) -> list[str]:
        """Names of all files besides the database and the secret."""
        places = (self.settings.objects, self.scratch)
        return sorted(path.name for place in places for path in place.rglob("*") if path.is_file())


def wait(look: Callable[[], T | None]) -> T:
    """What `look` gives as soon as it gives something true."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.02)
    raise TimeoutError
