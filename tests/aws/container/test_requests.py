"""Requests of invocations are parsed, or refused with the name of the wrong field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unbraid.aws.container.requests import BadRequest, Invocation
from unbraid.errors import SettingError
from unbraid.jobs.session import Choices

GOOD = {
    "input_s3_uri": "s3://songs/uploads/9b2e/My Song (live).mp3",
    "output_s3_prefix": "s3://stems/separated/",
    "session_id": "9b2e6f1c-64ab-4d6b-9f5e-8d7f3c2a1b00",
}


def parse(**changes: Any) -> Invocation:
    return Invocation.parse(json.dumps({**GOOD, **changes}).encode())


def test_requires_only_the_three_fields_of_the_contract() -> None:
    invocation = parse()
    assert invocation.song_name == "My Song (live).mp3"
    assert (invocation.input.bucket, invocation.input.key) == ("songs", "uploads/9b2e/My Song (live).mp3")
    assert invocation.uri_of("vocals.wav") == f"s3://stems/separated/{GOOD['session_id']}/vocals.wav"
    assert invocation.choices == Choices()
    assert invocation.dispatch is None


def test_allows_outputs_at_the_top_of_a_bucket() -> None:
    invocation = parse(output_s3_prefix="s3://stems", session_id="a")
    assert invocation.uri_of("vocals.wav") == "s3://stems/a/vocals.wav"


def test_reads_choices_and_ignores_other_fields() -> None:
    invocation = parse(model="lite", stems="all", format="mp3", video=True, notify=None, priority=3)
    assert invocation.choices == Choices("lite", "all", "mp3", True)


def test_reads_times_as_numbers_and_as_text() -> None:
    choices = parse(stems="vocals,drums+bass", start="1:05", end=95).choices
    assert choices == Choices(stems="vocals,drums+bass", start=65.0, end=95.0)
    with pytest.raises(SettingError, match="The start must be seconds or minutes:seconds"):
        parse(start="noon")
    with pytest.raises(BadRequest, match="end has the wrong type"):
        parse(end=[1])


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("missing", [None, ""])
def test_error_names_the_missing_field(name: str, missing: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(**{name: missing})
    assert caught.value.message == f"{name} is missing."


@pytest.mark.parametrize(
    "changes",
    [
        {"input_s3_uri": "https://songs/song.mp3"},
        {"input_s3_uri": "s3://songs"},
        {"input_s3_uri": "s3://songs/folder/"},
        {"input_s3_uri": ["s3://songs/song.mp3"]},
        {"output_s3_prefix": "stems"},
        {"output_s3_prefix": "s3://A_bucket_that_cannot_be/"},
        {"session_id": "../../elsewhere"},
        {"session_id": "a/b"},
        {"session_id": ".."},
        {"session_id": 17},
        {"model": 1},
        {"video": "yes"},
    ],
)
def test_error_names_the_invalid_field(changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(**changes)
    assert caught.value.message.startswith(next(iter(changes)))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"null", b'{"session_id": '])
def test_rejects_a_body_that_is_not_a_json_object(body: bytes) -> None:
    with pytest.raises(BadRequest):
        Invocation.parse(body)
