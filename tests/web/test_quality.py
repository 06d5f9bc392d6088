"""Qualities and words of purposes in `POST /process` and `GET /models`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.conftest import App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.jobs.choices import choices_of_quality
from unbraid.jobs.session import Choices
from unbraid.models import catalog
from unbraid.models.questions import QUALITIES, questions


def stored(app: App, **choices: Any) -> Choices:
    """Process a song, and return the choices of its session."""
    upload = app.create_upload()
    app.put_song(upload)
    answer = app.process(upload, **choices)
    assert answer.status_code == 202, answer.text
    session = app.sessions.store.get(upload["sessionId"])
    assert session is not None
    return session.choices


@pytest.mark.parametrize(
    ("request_choices", "model", "stems", "quality"),
    [
        ({"quality": "best"}, "best", "vocals", None),
        ({"quality": "fast", "stems": "drums"}, "fast", "drums", None),
        ({"model": "karaoke", "quality": "best"}, "karaoke:best", "all", None),
        ({"model": "six-instruments"}, "six_stems", "all", None),
        ({"model": "vocals"}, "vocals", "vocals", None),
        ({"model": "melband_dereverb"}, "melband_dereverb", "all", None),
        ({"model": "lite", "quality": "best"}, "lite", "vocals", "best"),
    ],
)
def test_quality_and_words_choose_model_and_stems(
    app: App, request_choices: dict[str, str], model: str, stems: str, quality: str | None
) -> None:
    choices = choices_of_quality(stored(app, **request_choices))
    assert (choices.model, choices.stems, choices.quality) == (model, stems, quality)


def test_an_unknown_quality_is_422(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    assert_problem(app.process(upload, quality="great"), 422)


def test_a_word_of_an_allowed_list_only(open_app: OpenApp) -> None:
    app = open_app(models=["lite", "karaoke"])
    assert stored(app, model="karaoke:best").model == "karaoke:best"
    upload = app.create_upload()
    app.put_song(upload)
    assert_problem(app.process(upload, model="dereverb"), 422)


def test_models_have_purposes_and_choices_have_titles(app: App) -> None:
    answer = app.client.get("/models").json()
    choices = {choice["name"]: choice for choice in answer["choices"]}
    answered = [word for word, question in questions().items() if question.ranking]
    assert list(choices) == ["auto", "fast", "best", *answered]
    assert choices["karaoke"]["title"] == "Karaoke" and choices["auto"]["title"] is None
    assert choices["karaoke"]["stems"]["all"]["model"] == "mdx_karaoke_2"
    for model in answer["models"]:
        assert model["answers"] == list(catalog()[model["name"]].answers)


def test_a_session_of_an_older_version_has_no_quality() -> None:
    assert Choices("lite").quality is None
    assert [choices_of_quality(Choices(quality=quality)).model for quality in QUALITIES] == [
        "fast",
        "auto",
        "best",
    ]


@pytest.mark.parametrize("model", ["lite:best", "auto:fast", "karaoke:slow"])
def test_only_words_of_purposes_have_a_quality_in_their_name(app: App, model: str) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    answer = app.process(upload, model=model)
    assert answer.status_code == 422
    assert f"There is no model '{model}'." in answer.json()["detail"]
