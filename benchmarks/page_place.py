"""The servers and songs for `page_states.py`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from benchmarks.songs import write_song
from tests.e2e.browser import provider
from tests.e2e.browser.server import Server
from tests.e2e.browser.sounds import write_clip

PASSWORD = "correct horse battery"
SHORT = [
    "Blue",
    "A song with a rather long name (live at the harbour, 2019)",
    "Étude in C",
    "04 Intro",
    "Rehearsal on Tuesday",
]


class Place:
    """The servers, and the songs to give them. Each is made when a part first needs it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack

    def _server(self, name: str, *options: str, **settings: str) -> Server:
        os.environ |= settings
        started = Server(self.folder / name, *options)
        for setting in settings:
            del os.environ[setting]
        self._stack.callback(started.stop)
        return started

    @cached_property
    def open(self) -> Server:
        """A server for everyone."""
        return self._server("open")

    @cached_property
    def password(self) -> Server:
        """A server with a password."""
        return self._server("password", "--workers", "0", UNBRAID_TOKEN=PASSWORD)

    @cached_property
    def sign_in(self) -> Server:
        """A server with sign-in."""
        issuer = self._stack.enter_context(provider.running())
        settings = {"UNBRAID_OIDC_ISSUER": issuer.address, "UNBRAID_OIDC_CLIENT_ID": provider.CLIENT}
        return self._server("sign-in", "--workers", "0", **settings)

    @cached_property
    def song(self) -> Path:
        """A song of usual length."""
        return write_song(self.folder / "On the Run.wav", 150, seed=7)

    @cached_property
    def long(self) -> Path:
        """A song that is separated for minutes."""
        return write_song(self.folder / "The whole concert.wav", 1200, seed=8, sample_rate=8000)

    @cached_property
    def short(self) -> list[Path]:
        """Songs that are separated in seconds."""
        return [write_song(self.folder / f"{name}.wav", 8, seed) for seed, name in enumerate(SHORT)]

    @cached_property
    def video(self) -> Path:
        """A video with sound."""
        return write_clip(self.folder / "Clip.webm", 12, 640, 360)

    def file(self, name: str, content: bytes) -> Path:
        """A file of this content."""
        path = self.folder / name
        path.write_bytes(content)
        return path


@contextmanager
def running_servers() -> Iterator[Place]:
    """A place whose servers end with it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ |= {"UNBRAID_NICE": "0", "UNBRAID_OWN_MODELS": str(Path(folder, "own"))}
        yield Place(Path(folder), stack)
