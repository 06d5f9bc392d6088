"""A client of a server that comes and goes: it repeats each call until it is answered, as the page does."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=3, read=30), maxsize=64)
RETRY_S = 0.5
POLL_S = 0.5
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Stems:
    """The files of a song's stems."""

    hashes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """SHA-256 of each stem, and of the sound that the page plays."""
    waveforms: dict[str, list[int]] = field(default_factory=dict)

    def equal(self, other: Stems) -> bool:
        """Whether all samples are the same, and the waveforms up to one of 256 levels.

        If a song can't be heard before it is done, its waveforms are drawn from the rounded samples of its files.
        """
        return self.hashes == other.hashes and all(
            len(levels) == len(other.waveforms[stem])
            and all(abs(a - b) <= 1 for a, b in zip(levels, other.waveforms[stem], strict=True))
            for stem, levels in self.waveforms.items()
        )


@dataclass
class Client:
    """Separates songs on the server at `url`, until the time `deadline` (of `time.monotonic`)."""

    url: str
    deadline: float
    counts: Counter[str] = field(default_factory=Counter)
    """Calls without an answer, answers of 500 and above, and songs that failed and were started again."""

    def separate(self, song: Path) -> Stems:
        """Upload a song, separate it with `lite`, download all files, delete it."""
        kind = "audio/wav"
        upload = self.call("POST", "/upload", {"fileName": song.name, "fileType": kind})
        self._repeat("PUT", upload["uploadUrl"], song.read_bytes(), {"Content-Type": kind})
        session = {"session_id": upload["sessionId"]}
        status: dict[str, Any] = {"status": None}
        while status["status"] != "COMPLETED":
            start = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], "model": "lite"}
            self.call("POST", "/process", start)
            status = {"status": None}
            while status["status"] not in ENDED:
                time.sleep(POLL_S)
                assert time.monotonic() < self.deadline, f"{song.name} has not ended: {status}"
                status = self.call("POST", "/status", session)
            if status["status"] == "FAILED":
                self.counts["failed: " + status["error_message"]] += 1
        stems = Stems()
        for file in status["output_files"]:
            sound, play, peaks = (
                self._repeat("GET", file[link]) for link in ("s3_url", "play_url", "peaks_url")
            )
            drawn = json.loads(peaks)
            played = play[: drawn["play"]["offsets"][-1]]
            stems.hashes[file["type"]] = hashlib.sha256(sound).hexdigest(), hashlib.sha256(played).hexdigest()
            stems.waveforms[file["type"]] = drawn["data"]
        self._repeat("POST", f"{self.url}/cleanup", json.dumps(session).encode(), JSON, also=(404,))
        return stems

    def call(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer of the API."""
        return json.loads(self._repeat(method, self.url + path, json.dumps(body).encode(), JSON))  # type: ignore[no-any-return]

    def _repeat(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        also: tuple[int, ...] = (),
    ) -> bytes:
        while True:
            assert time.monotonic() < self.deadline, f"{method} {url} was never answered: {self.counts}"
            try:
                answer = HTTP.request(method, url, body=body, headers=headers)
            except urllib3.exceptions.HTTPError:
                self.counts["calls without an answer"] += 1
            else:
                if answer.status in (200, 202, *also):
                    return answer.data
                assert answer.status >= 500 and answer.status != 507, (
                    method,
                    url,
                    answer.status,
                    answer.data,
                )
                self.counts[f"answers {answer.status}"] += 1
            time.sleep(RETRY_S)


JSON = {"Content-Type": "application/json"}
