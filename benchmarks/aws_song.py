"""Time one song in a deployed application, as the page does: upload, start, wait for its stems, delete it.

    python benchmarks/aws_song.py https://ID.execute-api.REGION.amazonaws.com SONG [--model NAME]

Needs only Python. The song is deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

POLL_S = 0.5
LIMIT_S = 20 * 60
"""More than a function may take, or an instance to start."""


class SongError(Exception):
    """A call failed, or the song did. The message says which."""


def call(url: str, body: object) -> Any:
    """Make a call of the API and return its answer. Raises SongError."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.loads(_send(request))


def _send(request: urllib.request.Request) -> bytes:
    where = f"{request.get_method()} {request.full_url.partition('?')[0]}"
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise SongError(f"{where} was answered with {error.code}: {error.read().decode()[:300]}") from None
    except OSError as error:
        raise SongError(f"{where} failed: {error}") from None


def time_song(api: str, song: Path, model: str | None) -> None:
    """Separate a song and print the times. Raises SongError."""
    kind = mimetypes.guess_type(song.name)[0] or ""
    upload = call(f"{api}/upload", {"fileName": song.name, "fileType": kind})
    session = upload["sessionId"]
    try:
        begun = time.monotonic()
        headers = {"Content-Type": kind} if kind else {}
        _send(urllib.request.Request(upload["uploadUrl"], song.read_bytes(), headers, method="PUT"))
        print(f"uploaded {song.stat().st_size / 1e6:.1f} MB in {time.monotonic() - begun:.1f} s")
        options = {} if model is None else {"model": model}
        begun, working = time.monotonic(), False
        call(f"{api}/process", {"sessionId": session, "s3Key": upload["s3Key"], **options})
        while True:
            status = call(f"{api}/status", {"session_id": session})
            seconds = time.monotonic() - begun
            if not working and status["status"] in ("IN_PROGRESS", "COMPLETED"):
                working = True
                print(f"separating began after {seconds:.1f} s")
            if status["status"] == "COMPLETED":
                names = ", ".join(file["filename"] for file in status["output_files"])
                print(f"stems stored after {seconds:.1f} s: {names}")
                return
            if status["status"] in ("FAILED", "CANCELLED") or seconds > LIMIT_S:
                raise SongError(
                    f"the song is {status['status']} after {seconds:.0f} s: {status['error_message']}"
                )
            time.sleep(POLL_S)
    finally:
        call(f"{api}/cleanup", {"session_id": session})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("api", metavar="URL", help="address of the API: UNBRAID_API_URL")
    parser.add_argument("song", type=Path)
    parser.add_argument("--model", metavar="NAME", help="a model of the image (default: auto)")
    given = parser.parse_args(arguments)
    try:
        time_song(given.api.rstrip("/"), given.song, given.model)
    except SongError as error:
        print(f"aws_song: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"aws_song: {given.song} can't be read: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
