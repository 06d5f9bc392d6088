"""A client of the API that makes the calls of the page, from the page's origin."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import urllib3
from tests.simulators.aws_account import AwsAccount

HTTP = urllib3.PoolManager(retries=False, timeout=60, maxsize=8)
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Client:
    """A user with a browser. `headers` are sent with every call."""

    account: AwsAccount
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one call."""
        kind = {} if body is None else {"Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body)
        headers = {"Origin": self.account.page_origin, **kind, **self.headers, **headers}
        answer = HTTP.request(method, self.account.api_url + path, body=sent, headers=headers)
        assert answer.headers["Access-Control-Allow-Origin"] == self.account.page_origin
        return answer.status, json.loads(answer.data)

    def upload(self, name: str = "song.wav", kind: str = "audio/wav") -> dict[str, Any]:
        """Call `POST /upload` and return the answer."""
        status, upload = self.call("POST", "/upload", {"fileName": name, "fileType": kind})
        assert status == 200, upload
        return upload  # type: ignore[no-any-return]

    def upload_song(self, song: bytes) -> dict[str, Any]:
        """Call `POST /upload`, send the song to the URL, and return the answer."""
        upload = self.upload()
        headers = {"Content-Type": "audio/wav", "Origin": self.account.page_origin}
        answer = HTTP.request("PUT", upload["uploadUrl"], body=song, headers=headers)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (
            200,
            self.account.page_origin,
        )
        return upload

    def process(self, upload: dict[str, Any], **choices: Any) -> tuple[int, Any]:
        """Call `POST /process` and return status and answer."""
        body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], **choices}
        return self.call("POST", "/process", body)

    def start(self, song: bytes, **choices: Any) -> str:
        """Upload a song, start its separation, and return the session id."""
        upload = self.upload_song(song)
        status, answer = self.process(upload, **choices)
        assert status == 202, answer
        return str(upload["sessionId"])

    def status(self, session_id: str) -> dict[str, Any]:
        """Call `POST /status` and return the answer."""
        status, session = self.call("POST", "/status", {"session_id": session_id})
        assert status == 200, session
        return session  # type: ignore[no-any-return]

    def wait(self, session_id: str, *states: str, within_s: float = 180) -> dict[str, Any]:
        """Poll until the session is in one of these states. Fails if it ends in another one."""
        until = time.monotonic() + within_s
        while (session := self.status(session_id))["status"] not in states:
            assert session["status"] not in ENDED, session
            assert time.monotonic() < until, session
            time.sleep(0.3)
        return session

    def stems(self, session: dict[str, Any]) -> dict[str, bytes]:
        """Download the files of a completed session. Returns contents by name."""
        page = {"Origin": self.account.page_origin}
        found = {}
        for file in session["output_files"]:
            answer = HTTP.request("GET", file["s3_url"], headers=page)
            assert (answer.status, len(answer.data)) == (200, file["size"])
            assert answer.headers["Access-Control-Allow-Origin"] == self.account.page_origin
            found[file["filename"]] = answer.data
        return found
