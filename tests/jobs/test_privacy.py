"""Logs contain nothing that leads to a song or a user, in every process that writes them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from unbraid.aws.logs import RedactedFormatter
from unbraid.jobs.privacy import redact, redact_record
from unbraid.jobs.session import new_id
from unbraid.local.logs import JsonLines

ID = "-_" + "a" * 30
PRIVATE = [
    ID,
    f"{ID}.7",  # a dispatch
    "9b2e6f1c-64ab-4d6b-9f5e-8d7f3c2a1b00",  # an ad-hoc session_id
    f"s3://bucket/inputs/{ID}/song.mp3",
    "s3://bucket/uploads/My%20Song.mp3",
    *(f"{kind}/x/Song.wav" for kind in ("inputs", "outputs", "mixes", "zips", "requests")),
    "files/outputs/x/Song.wav",  # the path of a link
    "anna@example.org",
]


@pytest.fixture(params=["server and workers", "functions and container"])
def line_of(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Format a log record as one of the processes does."""
    formatter = JsonLines() if request.param == "server and workers" else RedactedFormatter(service="test")

    def line(message: str, error: Exception | None = None, **extra: object) -> str:
        info = None if error is None else (type(error), error, None)
        record = logging.LogRecord("unbraid.test", logging.INFO, "f.py", 1, message, None, info)
        vars(record).update(extra)
        return formatter.format(record)

    return line


@pytest.mark.parametrize("private", PRIVATE)
@pytest.mark.parametrize("around", ["{}", "session_id={}&x", "'{}'", "é{}", "can't read {}: no such file"])
def test_hides_private_text_at_any_position(private: str, around: str) -> None:
    assert private not in redact(around.format(private))
    assert ID not in redact(around.format(private))
    assert "Song" not in redact(around.format(private))


def test_hides_every_new_session_id() -> None:
    for _ in range(1000):
        session_id = new_id()
        assert session_id.strip("-_") not in redact(f"no session {session_id} here")


def test_hides_signatures_and_keeps_the_rest_of_a_link() -> None:
    link = "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Signature=abc&x=Song"
    assert redact(link) == "https://b.s3.amazonaws.com/k?…"


def test_hides_the_private_strings_of_the_caller() -> None:
    assert redact("My Song.wav can't be read", "My Song.wav", "") == "… can't be read"


def test_keeps_ordinary_text() -> None:
    text = "Traceback: File /usr/lib/python3.12/site-packages/unbraid/files/atomic.py, line 7"
    assert redact(text) == text


def test_keeps_numbers_and_request_ids() -> None:
    tracing = "1-63441c4a-abcdef012345678912345678"
    record = {"status": 200, "seconds": 0.5, "ok": True, "none": None, "xray_trace_id": tracing}
    assert redact_record(record) == record


def test_hides_private_text_in_nested_values() -> None:
    record = redact_record({"paths": [f"outputs/{ID}/x.wav", {ID: (ID, 7)}]})
    assert record == {"paths": ["…", {"…": ["…", 7]}]}


@pytest.mark.parametrize("private", PRIVATE)
def test_every_process_hides_private_text_in_message_error_and_extra_fields(
    line_of: Callable[..., str], private: str
) -> None:
    line = line_of(f"not found: {private}", RuntimeError(f"no {private}"), place=f"at {private}")
    assert private not in line
    assert ID not in line
    assert json.loads(line)["message"].startswith("not found: ")
    assert "…" in json.loads(line)["message"]
    assert "RuntimeError" in line
