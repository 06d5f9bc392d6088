"""The canary: separate a second of sound through the public API, as the page does, and check the stems."""

from __future__ import annotations

import array
import io
import json
import math
import sys
import time
import wave
from collections.abc import Callable
from typing import Any

import urllib3

RATE = 44100
SAMPLES = RATE
NAME, TYPE = "canary.wav", "audio/wav"
POLL_S = 5.0
BUSY = 409


class CanaryError(Exception):
    """The application did not do what it should. The message says in which step, and has no session id or link."""


class Canary:
    """A client of the API at `url`. `wait_s`: how long a song may take, with the start of a machine."""

    def __init__(self, url: str, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url, self._wait_s, self._sleep = url, wait_s, sleep
        # The canary reports what users would meet, so it retries nothing.
        self._http = urllib3.PoolManager(retries=False, timeout=60)

    def run(self) -> float | None:
        """Separate the sound and return the seconds from upload to stems; None: the app takes no songs now.

        Raises CanaryError.
        """
        started, song = time.monotonic(), sound()
        file = {"fileName": NAME, "fileType": TYPE, "fileSize": len(song)}
        status, upload = self._request("POST", "/upload", file)
        if status == BUSY:  # the spending limit is reached
            return None
        self._expect("upload", status, 200, upload)
        session = upload["sessionId"]
        try:
            sent = self._http.request("PUT", upload["uploadUrl"], body=song, headers={"Content-Type": TYPE})
            self._expect("sending the song", sent.status, 200)
            status, answer = self._request(
                "POST", "/process", {"s3Key": upload["s3Key"], "sessionId": session}
            )
            if status == BUSY:
                return None
            self._expect("process", status, 202, answer)
            for stem in self._stems(session, started):
                self._check(stem)
            return time.monotonic() - started
        finally:
            self._request("POST", "/cleanup", {"session_id": session})

    def _stems(self, session: str, started: float) -> list[dict[str, Any]]:
        """Wait for the end of the song and return its files."""
        while True:
            status, answer = self._request("POST", "/status", {"session_id": session})
            self._expect("status", status, 200, answer)
            match answer["status"]:
                case "COMPLETED":
                    if len(answer["output_files"]) != 2:
                        raise CanaryError(f"the song has {len(answer['output_files'])} stems instead of 2")
                    return list(answer["output_files"])
                case "FAILED" | "CANCELLED":
                    raise CanaryError(f"the song is {answer['status']}: {answer['error_message']}")
                case state if time.monotonic() - started > self._wait_s:
                    raise CanaryError(f"the song is still {state} after {self._wait_s:.0f} s")
            self._sleep(POLL_S)

    def _check(self, stem: dict[str, Any]) -> None:
        answer = self._http.request("GET", stem["s3_url"])
        self._expect(f"download of {stem['filename']}", answer.status, 200)
        try:
            with wave.open(io.BytesIO(answer.data)) as file:
                form = (file.getframerate(), file.getnframes())
        except (wave.Error, EOFError) as error:
            raise CanaryError(f"{stem['filename']} is not a WAV file: {error}") from None
        if form != (RATE, SAMPLES):
            raise CanaryError(
                f"{stem['filename']} has {form[1]} samples at {form[0]} Hz, not {SAMPLES} at {RATE}"
            )

    def _request(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return status and JSON of a call."""
        headers = {"Content-Type": "application/json"}
        answer = self._http.request(method, self._url + path, body=json.dumps(body), headers=headers)
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            return answer.status, None

    @staticmethod
    def _expect(step: str, status: int, expected: int, answer: Any = None) -> None:
        if status != expected:
            detail = answer.get("detail", "") if isinstance(answer, dict) else ""
            raise CanaryError(f"{step} was answered with {status} instead of {expected}. {detail}".rstrip())


def sound() -> bytes:
    """Return a second of a quiet tone at 440 Hz, as 16-bit WAV with one channel."""
    tone = array.array("h", (round(8000 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(SAMPLES)))
    if sys.byteorder == "big":
        tone.byteswap()
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone.tobytes())
    return data.getvalue()
