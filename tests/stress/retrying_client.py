"""A client that repeats every call until the server answers, as the page does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from tests.stress.local_server import HTTP, LocalServer

from unbraid.audio.decode import Decoder

END_STATES = ("COMPLETED", "FAILED", "CANCELLED")
JOB_S = 900.0  # time limit for a job, and for a server to come back
POLL_S = 0.2
RETRY_S = 0.3


@dataclass
class Job:
    """One song that a client has separated with `lite`."""

    song: Path
    cleans_up: bool = False
    """The client deletes the session as soon as it is completed."""
    session_id: str = ""
    status: dict[str, Any] = field(default_factory=dict)
    """Last answer to `POST /status`."""
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every downloaded file."""
    stem_lengths: set[int] = field(default_factory=set)
    """Lengths of the stems in samples."""
    retried: bool = False
    """Separated again after it had failed."""
    repeated_calls: int = 0
    """Calls without an answer, which were made again."""

    @property
    def state(self) -> str:
        """State of the session, or "unknown" before the first answer."""
        return self.status.get("status", "unknown")  # type: ignore[no-any-return]

    @property
    def key(self) -> str:
        """Key of the song in the object store."""
        return f"inputs/{self.session_id}/song.wav"

    def run(self, server: LocalServer) -> None:
        """Upload the song, separate it, download all files, and delete the session if the job cleans up."""
        body = {"fileName": self.song.name, "fileType": "audio/wav"}
        upload = self._repeat(lambda: server.call("POST", "/upload", body))
        self.session_id = upload["sessionId"]
        content, headers = self.song.read_bytes(), {"Content-Type": "audio/wav"}
        self._repeat(lambda: transfer("PUT", upload["uploadUrl"], body=content, headers=headers))
        assert upload["s3Key"] == self.key
        self.separate(server)
        if self.cleans_up and self.state == "COMPLETED":
            self._repeat(lambda: server.call("POST", "/cleanup", {"session_id": self.session_id}))

    def separate(self, server: LocalServer) -> None:
        """Start the separation, wait for its end, and download all files."""
        body = {"s3Key": self.key, "sessionId": self.session_id, "model": "lite"}
        self._repeat(lambda: server.call("POST", "/process", body))
        self.status = {}
        until = time.monotonic() + JOB_S
        while self.state not in END_STATES and time.monotonic() < until:
            self.status = self._repeat(
                lambda: server.call("POST", "/status", {"session_id": self.session_id})
            )
            time.sleep(POLL_S)
        for file in self.status["output_files"]:
            for link in ("s3_url", "peaks_url", "play_url"):
                data = self._repeat(lambda url=file[link]: transfer("GET", url))  # type: ignore[misc]
                self.hashes[f"{file['type']} {link}"] = hashlib.sha256(data).hexdigest()
                if link == "s3_url":
                    self.stem_lengths.add(self._decoded_length(data))

    def _repeat(self, call: Callable[[], tuple[int, Any]]) -> Any:
        """Make the call until the server answers. Raises AssertionError for any other answer than 200 or 202."""
        until = time.monotonic() + JOB_S
        while True:
            try:
                status, answer = call()
            except urllib3.exceptions.HTTPError:
                self.repeated_calls += 1
                if time.monotonic() > until:
                    raise
                time.sleep(RETRY_S)
                continue
            assert status in (200, 202), f"{self.song.name}: {status} {answer}"
            return answer

    def _decoded_length(self, sound: bytes) -> int:
        copy = self.song.with_name(f"{self.session_id}.wav")
        copy.write_bytes(sound)
        length = length_of(copy)
        copy.unlink()
        return length


def length_of(song: Path) -> int:
    """Length of a song in samples."""
    with Decoder(song) as decoder:
        return sum(block.shape[1] for block in decoder)


def transfer(method: str, url: str, **options: Any) -> tuple[int, bytes]:
    """Status and body of a request to a presigned URL."""
    answer = HTTP.request(method, url, **options)
    return answer.status, answer.data
