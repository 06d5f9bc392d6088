"""The calls of the original's client, from its page's origin."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import urllib3
from tests.e2e.aws.world import World

HTTP = urllib3.PoolManager(retries=False, timeout=60, maxsize=8)
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Client:
    """Somebody with a browser."""

    world: World
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one call."""
        kind = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        headers = {"Origin": self.world.site, **kind, **self.headers, **headers}
        answer = HTTP.request(method, self.world.address + path, body=sent, headers=headers)
        assert answer.headers["Access-Control-Allow-Origin"] == self.world.site
        return answer.status, json.loads(answer.data)

    def upload(self, name: str = "song.wav", kind: str = "audio/wav") -> dict[str, Any]:
        """What `POST /upload` answers."""
        status, told = self.call("POST", "/upload", {"fileName": name, "fileType": kind})
        assert status == 200, told
        return told  # type: ignore[no-any-return]

    def brought(self, song: bytes) -> dict[str, Any]:
        """The same, once the song has been sent there."""
        upload = self.upload()
        headers = {"Content-Type": "audio/wav", "Origin": self.world.site}
        answer = HTTP.request("PUT", upload["uploadUrl"], body=song, headers=headers)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, self.world.site)
        return upload

    def process(self, upload: dict[str, Any], **choices: Any) -> tuple[int, Any]:
        """`POST /process`."""
        body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], **choices}
        return self.call("POST", "/process", body)

    def started(self, song: bytes, **choices: Any) -> str:
        """The id of a session whose song is to be separated."""
        upload = self.brought(song)
        status, told = self.process(upload, **choices)
        assert status == 202, told
        return str(upload["sessionId"])

    def status(self, session_id: str) -> dict[str, Any]:
        """What `POST /status` answers."""
        status, told = self.call("POST", "/status", {"session_id": session_id})
        assert status == 200, told
        return told  # type: ignore[no-any-return]

    def wait(self, session_id: str, *states: str, within_s: float = 60) -> dict[str, Any]:
        """Poll until it is in one of these states; an end otherwise is none that was waited for."""
        until = time.monotonic() + within_s
        while (told := self.status(session_id))["status"] not in states:
            assert told["status"] not in ENDED, told
            assert time.monotonic() < until, told
            time.sleep(0.3)
        return told

    def stems(self, told: dict[str, Any]) -> dict[str, bytes]:
        """The files of a session that is done, by name."""
        page = {"Origin": self.world.site}
        found = {}
        for file in told["output_files"]:
            answer = HTTP.request("GET", file["s3_url"], headers=page)
            assert (answer.status, len(answer.data)) == (200, file["size"])
            assert answer.headers["Access-Control-Allow-Origin"] == self.world.site
            found[file["filename"]] = answer.data
        return found
