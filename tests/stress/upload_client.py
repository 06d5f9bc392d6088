"""A client that uploads songs, waits for their sessions to end, and downloads the results."""

from __future__ import annotations

import io
import time
import zipfile
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from tests.stress.local_server import HTTP, PATIENCE_S, LocalServer
from tests.stress.retrying_client import END_STATES


class UploadClient:
    """Makes the calls of the page."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def request_upload(self, name: str, kind: str = "") -> dict[str, str]:
        """Call `POST /upload` and return the answer."""
        status, upload = self._server.call("POST", "/upload", {"fileName": name, "fileType": kind})
        assert status == 200, upload
        return upload  # type: ignore[no-any-return]

    def start(self, name: str, content: bytes) -> tuple[int, str]:
        """Upload a song and start its separation. Returns the status of the first refused call, or 202, and the id."""
        upload = self.request_upload(name)
        transfer = HTTP.request("PUT", upload["uploadUrl"], body=content)
        if transfer.status != 200:
            return transfer.status, upload["sessionId"]
        body = {"s3Key": upload["s3Key"], "sessionId": upload["sessionId"], "model": "lite"}
        return self._server.call("POST", "/process", body)[0], upload["sessionId"]

    def wait(self, session_id: str) -> dict[str, Any]:
        """Wait for the end of a session, at most PATIENCE_S. Returns its last status."""
        until = time.monotonic() + PATIENCE_S
        while True:
            _, session = self._server.call("POST", "/status", {"session_id": session_id})
            if session["status"] in END_STATES or time.monotonic() > until:
                return session  # type: ignore[no-any-return]
            time.sleep(0.05)

    def separate(self, name: str, content: bytes) -> str:
        """Separate a song and return the id of the completed session."""
        status, session_id = self.start(name, content)
        assert (status, self.wait(session_id)["status"]) == (202, "COMPLETED")
        return session_id

    def download_and_delete(self, session_id: str, session: dict[str, Any]) -> list[str]:
        """Download all files of a session, then delete it. Returns a line for each problem."""
        problems = []
        for file in session["output_files"]:
            for url, size in ((file["s3_url"], file["size"]), (file["peaks_url"], 1), (file["play_url"], 1)):
                answer = HTTP.request("GET", url)
                if answer.status != 200 or len(answer.data) < size or "Set-Cookie" in answer.headers:
                    problems.append(f"{file['filename']}: {answer.status}, {answer.headers}")
        if session["zip_url"]:
            with zipfile.ZipFile(io.BytesIO(HTTP.request("GET", session["zip_url"]).data)) as archive:
                names = archive.namelist()
            problems += [f"the archive contains {name!r}" for name in names if not is_in_one_folder(name)]
        status, _ = self._server.call("POST", "/cleanup", {"session_id": session_id})
        return problems + ([] if status == 200 else [f"cleanup answered {status}"])


def is_in_one_folder(name: str) -> bool:
    """Whether a name in an archive is `FOLDER/FILE`, relative and not hidden."""
    return len(PurePosixPath(name).parts) == 2 and not name.startswith((".", "/"))


def counts(counter: Counter[str]) -> str:
    """Counts in words, most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())
