"""Lists of stems and parts of songs in `POST /process`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.aws.sessions import new_session
from tests.web.conftest import App
from tests.web.test_quality import stored
from tests.web.test_songs import assert_problem

from unbraid.aws.dispatches import request_of
from unbraid.aws.items import item_of, session_of
from unbraid.jobs.estimates import Rates, seconds_of
from unbraid.jobs.session import Choices


@pytest.mark.parametrize("stems", ["no_bass", "vocals,drums", "drums+bass", "vocals,", "all,rest,mix"])
def test_takes_the_words_of_the_command_line(app: App, stems: str) -> None:
    assert stored(app, model="lite", stems=stems).stems == stems


@pytest.mark.parametrize(
    ("sent", "start", "end"),
    [
        ({"start": 65, "end": 95.5}, 65.0, 95.5),
        ({"start": "1:05", "end": "-0:30"}, 65.0, -30.0),
        ({"end": "95"}, None, 95.0),
    ],
)
def test_takes_times_as_numbers_and_as_text(
    app: App, sent: dict[str, Any], start: float | None, end: float | None
) -> None:
    choices = stored(app, **sent)
    assert (choices.start, choices.end) == (start, end)


@pytest.mark.parametrize(
    ("options", "field", "detail"),
    [
        ({"stems": "vocals,flute"}, "stems", "There is no stem 'flute' in auto."),
        ({"stems": "vocals,drums", "video": True}, "stems", "Add it to the stems."),
        ({"start": "noon"}, "start", "The start must be seconds or minutes:seconds"),
        ({"start": 5, "end": 5}, "start", "The end (0:05) must be after the start (0:05)."),
        ({"end": 0}, "end", "The end (0:00) must be after the start"),
        ({"start": 1, "video": True}, "video", "A video needs the whole song."),
        ({"start": [1]}, "start", ""),
        ({"start": True}, "start", ""),
    ],
)
def test_wrong_choices_are_422_by_field(app: App, options: dict[str, Any], field: str, detail: str) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    answer = app.process(upload, **options)
    assert_problem(answer, 422)
    assert field in answer.text
    assert detail in answer.text


def test_links_of_sums_lead_to_their_files(app: App) -> None:
    app.names = ["drums+bass", "mix"]
    file = app.status(app.completed())["output_files"][0]
    assert file["type"] == "drums+bass"
    answer = app.client.get(file["s3_url"])
    assert answer.status_code == 200
    assert "drums" in answer.headers["content-disposition"]


def test_the_status_has_the_part(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    app.process(upload, start="0:01", end=3)
    status = app.status(upload)
    assert (status["start"], status["end"], status["stems"]) == (1.0, 3.0, "vocals")


@pytest.mark.parametrize(("start", "end"), [(65.0, None), (None, -30.0), (1.5, 2.0), (None, None)])
def test_the_account_keeps_the_choices_and_sends_them_to_its_container(
    start: float | None, end: float | None
) -> None:
    session = new_session(choices=Choices("lite", "vocals,drums+bass", start=start, end=end))
    kept = session_of(item_of(session, "w"))
    assert kept == session
    assert [type(kept.choices.start), type(kept.choices.end)] == [type(start), type(end)]
    request = request_of(session, "bucket")
    assert (request.get("start"), request.get("end")) == (start, end)


def test_a_part_is_expected_to_take_the_time_of_a_part() -> None:
    size = 176_400 * 100
    whole, part, after = (
        seconds_of(new_session(input_key="x/song.wav", size=size, choices=choices), Rates())
        for choices in (Choices("lite"), Choices("lite", start=10.0, end=35.0), Choices("lite", start=200.0))
    )
    assert whole is not None
    assert part == pytest.approx(whole / 4)
    assert after == whole
