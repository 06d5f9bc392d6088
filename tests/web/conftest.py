"""The web app without workers, in a temporary folder, with a client in the same process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from starlette.testclient import TestClient
from tests.simulators.moto_server import new_bucket

from unbraid.jobs.leases import Leases
from unbraid.jobs.service import Service
from unbraid.jobs.session import Output
from unbraid.jobs.sessions import Sessions
from unbraid.local.factory import open_sessions
from unbraid.local.settings import Settings
from unbraid.web.app import create_app

ADDRESS = "http://127.0.0.1:8000"
SONG = b"ID3" + bytes(range(256)) * 8
OCTETS = bytes(range(256)) * 40


@dataclass
class App:
    """A running app with its client, stores and settings."""

    client: TestClient
    sessions: Sessions
    service: Service
    leases: Leases
    store: Any
    """A FolderStore, unless the settings name a bucket."""
    settings: Settings
    names: list[str] = field(default_factory=lambda: ["vocals", "no_vocals"])

    def create_upload(
        self, name: str = "song.mp3", kind: str = "audio/mpeg", **headers: str
    ) -> dict[str, Any]:
        """POST /upload, and return the answer."""
        answer = self.client.post("/upload", json={"fileName": name, "fileType": kind}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def put_song(self, upload: dict[str, Any], song: bytes = SONG, kind: str = "audio/mpeg") -> None:
        """PUT the song to the upload URL."""
        answer = self.client.put(upload["uploadUrl"], content=song, headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text

    def process(self, upload: dict[str, Any], **choices: Any) -> Any:
        """POST /process."""
        body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], **choices}
        return self.client.post("/process", json=body)

    def status(self, upload: dict[str, Any]) -> dict[str, Any]:
        """POST /status, and return the answer."""
        answer = self.client.post("/status", json={"session_id": upload["sessionId"]})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def complete(self, upload: dict[str, Any]) -> None:
        """Complete the session as a worker does, with fake stems."""
        session_id = upload["sessionId"]
        assert self.leases.begin(session_id, "worker")
        outputs = []
        for name in self.names:
            keys = [f"outputs/{session_id}/{name}.{ending}" for ending in ("wav", "peaks.json", "play")]
            for key in keys:
                with self.store.write(key) as part:
                    part.write(OCTETS)
                    part.commit()
            outputs.append(Output(name, f"{name}.wav", keys[0], len(OCTETS), 1.5, keys[1], keys[2]))
        assert self.leases.complete(session_id, "worker", outputs, 1.5, "lite")

    def completed(self, name: str = "song.mp3") -> dict[str, Any]:
        """Upload, process and complete a song, and return its upload."""
        upload = self.create_upload(name)
        self.put_song(upload)
        assert self.process(upload).status_code == 202
        self.complete(upload)
        return upload


class OpenApp(Protocol):
    """Open an app with these settings."""

    def __call__(self, **settings: Any) -> App: ...


@pytest.fixture
def open_app(tmp_path: Path) -> Iterator[OpenApp]:
    with ExitStack() as stack:  # closes clients before stores

        def open_one(**settings: Any) -> App:
            settings = {"data": tmp_path / "data", "keep_free_bytes": 0, "rate_burst": 1000, **settings}
            loaded = Settings.load(**settings)
            sessions = open_sessions(loaded)
            service = Service(sessions)
            stack.callback(sessions.store.close)  # type: ignore[attr-defined]
            client = stack.enter_context(TestClient(create_app(service, loaded), base_url=ADDRESS))
            return App(client, sessions, service, Leases(sessions), sessions.objects, loaded)

        yield open_one


@pytest.fixture
def app(open_app: OpenApp) -> App:
    return open_app()


@pytest.fixture(params=["folder", "bucket"])
def app_on_any_store(request: pytest.FixtureRequest, open_app: OpenApp) -> App:
    """The app with each of its stores for files."""
    if request.param == "folder":
        return open_app()
    request.getfixturevalue("aws")
    return open_app(store=f"s3://{new_bucket()}/home")
