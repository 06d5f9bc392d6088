"""What an invocation says is understood, or refused by the name of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unbraid.aws.container.requests import BadRequest, Invocation
from unbraid.jobs.session import Choices

GOOD = {
    "input_s3_uri": "s3://songs/uploads/9b2e/My Song (live).mp3",
    "output_s3_prefix": "s3://stems/separated/",
    "session_id": "9b2e6f1c-64ab-4d6b-9f5e-8d7f3c2a1b00",
}


def parse(**changes: Any) -> Invocation:
    return Invocation.parse(json.dumps({**GOOD, **changes}).encode())


def test_the_three_fields_of_the_contract_are_enough() -> None:
    invocation = parse()
    assert invocation.song_name == "My Song (live).mp3"
    assert (invocation.input.bucket, invocation.input.key) == ("songs", "uploads/9b2e/My Song (live).mp3")
    assert invocation.uri_of("vocals.wav") == f"s3://stems/separated/{GOOD['session_id']}/vocals.wav"
    assert invocation.choices == Choices()
    assert invocation.dispatch is None


def test_outputs_may_go_to_the_top_of_a_bucket() -> None:
    invocation = parse(output_s3_prefix="s3://stems", session_id="a")
    assert invocation.uri_of("vocals.wav") == "s3://stems/a/vocals.wav"


def test_choices_are_those_of_process_and_other_fields_are_none_of_ours() -> None:
    invocation = parse(model="lite", stems="all", format="mp3", video=True, notify=None, priority=3)
    assert invocation.choices == Choices("lite", "all", "mp3", True)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_field_is_named(name: str, missing: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(**{name: missing})
    assert refused.value.message == f"{name} is missing."


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
def test_what_makes_no_sense_is_refused_by_its_name(changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(**changes)
    assert refused.value.message.startswith(next(iter(changes)))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"null", b'{"session_id": '])
def test_a_body_that_is_no_object_of_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        Invocation.parse(body)
