"""`/teaching`: teach a model from the caller's own stems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.web.conftest import App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid.api.routes import ROUTES
from unbraid.local.teaching import AWS, CHECK, CLIPS, MODELS, OFFER, RESULT, Teaching
from unbraid.web import teaching as web_teaching

CHECKED = {
    "songs": [],
    "stems": ["vocals"],
    "minutes": 9.0,
    "left_out": [],
    "problem": None,
    "expect": ["Good."],
}
SCORE = {
    "event": "score",
    "minutes": 0.0,
    "sdr_db": {"vocals": 5.0, "mean": 5.0},
    "best": True,
    "left_s": None,
}
ENDED = {
    "better": True,
    "base": "lite",
    "sdr_db": {"before": {"vocals": 5.0}, "after": {"vocals": 6.5}, "compared_with": "lite"},
    "clips": {"song": "One", "start_s": 3.0, "stems": ["vocals"], "before": ["vocals"]},
}
ME, OTHER = {"X-Browser-Token": "a" * 32}, {"X-Browser-Token": "b" * 32}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


def put(app: App, path: str, headers: dict[str, str] = ME, content: bytes = b"sound") -> int:
    return app.client.put(
        "/teaching/stems", params={"path": path}, headers=headers, content=content
    ).status_code


def test_the_whole_way_as_the_page_goes_it(app: App, own: Path) -> None:
    client, files = app.client, Teaching(app.settings.data)
    assert client.get("/teaching", headers=ME).json()["phase"] == "none"
    assert put(app, "songs/One/vocals.wav", content=b"x" * 3_000_000) == 204
    answer = client.post("/teaching/check", headers=ME).json()
    assert (answer["phase"], answer["stems"]) == ("checking", ["One/vocals.wav"])
    files.write(CHECK, CHECKED)
    assert client.get("/teaching", headers=ME).json()["check"]["expect"] == ["Good."]
    start = {"name": "mine", "minutes": 60}
    answer = client.post("/teaching/start", json=start, headers=ME).json()
    assert (answer["phase"], answer["step"], answer["name"]) == ("teaching", None, "mine")
    # After a stop, the worker repeats the scores since its last checkpoint.
    for steps in (0, 20, 20):
        files.note({**SCORE, "steps": steps})
    files.note({"event": "progress", "steps": 25, "of": 100, "loss": 0.1, "left_s": 30.0})
    files.note({"event": "paused"})
    answer = client.get("/teaching", headers=ME).json()
    assert [point["steps"] for point in answer["curve"]] == [0, 20]
    assert (answer["step"], answer["done"], answer["left_s"]) == ("paused", 0.25, 30.0)
    assert put(app, "songs/Two/vocals.wav") == 409
    (files.folder / CLIPS).mkdir()
    (files.folder / CLIPS / "after-0.wav").write_bytes(b"RIFF")
    (files.folder / MODELS / "mine").mkdir(parents=True)
    files.write(RESULT, ENDED)
    answer = client.get("/teaching", headers=ME).json()
    assert (answer["phase"], answer["result"]["sdr_db"]["after"]) == ("ended", {"vocals": 6.5})
    assert client.get("/teaching/clips/after-0.wav", headers=ME).content == b"RIFF"
    assert client.get("/teaching/clips/before-0.wav", headers=ME).status_code == 404
    assert client.get("/teaching/clips/..%2Frun.json", headers=ME).status_code == 404
    assert client.post("/teaching/finish", json={"keep": True}, headers=ME).json()["phase"] == "none"
    assert (own / "mine").is_dir() and not files.folder.exists()


def test_teaching_in_aws_starts_after_its_price_was_accepted(
    app: App, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, files = app.client, Teaching(app.settings.data)
    monkeypatch.setattr(web_teaching, "has_pytorch", lambda: False)  # AWS needs none here
    put(app, "songs/One/vocals.wav")
    client.post("/teaching/check", headers=ME)
    files.write(CHECK, CHECKED)
    start = {"name": "mine", "minutes": 60, "aws": True}
    problem = assert_problem(client.post("/teaching/start", json=start, headers=ME), 409)
    assert "No app in AWS" in problem["detail"]
    place = {"account": "123456789012", "region": "eu-central-1", "deployment": "unbraid"}
    files.write(AWS, place)
    assert client.get("/teaching", headers=ME).json()["aws"] == place
    answer = client.post("/teaching/start", json=start, headers=ME).json()
    assert (answer["phase"], answer["in_aws"], answer["offer"]) == ("offering", True, None)
    files.write(OFFER, {"most_usd": 1.46, "lines": ["One machine."]})
    answer = client.get("/teaching", headers=ME).json()
    assert (answer["phase"], answer["offer"]) == ("offered", {"most_usd": 1.46, "lines": ["One machine."]})
    assert_problem(client.post("/teaching/accept", json={"most_usd": 1.4}, headers=ME), 409)
    answer = client.post("/teaching/accept", json={"most_usd": 1.46}, headers=ME).json()
    assert (answer["phase"], answer["step"]) == ("teaching", None)
    files.note({"event": "upload", "bytes": 1, "of": 4})
    answer = client.get("/teaching", headers=ME).json()
    assert (answer["step"], answer["done"]) == ("upload", 0.25)
    files.note({"event": "phase", "phase": "Pending", "text": "AWS looks for a free machine."})
    assert client.get("/teaching", headers=ME).json()["detail"] == "AWS looks for a free machine."
    assert_problem(client.post("/teaching/stop", headers=ME), 409)


def test_server_that_others_use_does_not_teach_in_aws(open_app: OpenApp, own: Path) -> None:
    settings = open_app(token="four words are enough").settings
    assert settings.teaches and not settings.teaches_in_aws


def test_another_person_sees_only_that_there_is_a_run(app: App, own: Path) -> None:
    put(app, "One/vocals.wav")
    answer = app.client.get("/teaching", headers=OTHER).json()
    assert (answer["phase"], answer["busy"], answer["stems"]) == ("none", True, [])
    assert put(app, "Two/vocals.wav", OTHER) == 409
    assert app.client.post("/teaching/finish", json={"keep": False}, headers=OTHER).status_code == 409
    assert app.client.get("/teaching/clips/after-0.wav", headers=OTHER).status_code == 409


def test_refuses_what_it_cannot_use(app: App, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_problem(app.client.post("/teaching/check", headers=ME), 404)
    assert put(app, "One/../vocals.wav") == 400
    put(app, "One/vocals.wav")
    app.client.post("/teaching/check", headers=ME)
    Teaching(app.settings.data).write(CHECK, CHECKED)
    assert_problem(app.client.post("/teaching/start", json={"name": "../x"}, headers=ME), 422)
    assert (
        app.client.post("/teaching/start", json={"name": "x", "minutes": -1}, headers=ME).status_code == 422
    )
    monkeypatch.setattr(web_teaching, "has_pytorch", lambda: False)
    assert "pip install" in app.client.get("/teaching", headers=ME).json()["unavailable"]
    assert_problem(app.client.post("/teaching/start", json={"name": "x"}, headers=ME), 409)


def test_stems_are_as_large_as_songs_at_most(open_app: OpenApp, own: Path) -> None:
    app = open_app(max_bytes=1000)
    assert put(app, "One/vocals.wav", content=b"x" * 1001) == 413
    assert Teaching(app.settings.data).stems() == []


def test_strangers_cannot_teach(open_app: OpenApp) -> None:
    app = open_app(public_url="https://music.example.org")
    assert app.client.get("/config").json()["teaching"] is False
    assert app.client.get("/teaching").status_code == 404


def test_aws_has_no_such_route() -> None:
    assert not [route for route in ROUTES if route.path.startswith("/teaching")]


def test_models_of_the_user_are_offered_and_can_be_chosen(app: App, own: Path) -> None:
    pytest.importorskip("torch")
    from tests.finetuning.synthetic import write_tiny_model

    folder = write_tiny_model(own / "my-band")
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, "card": {"base": "lite"}}))
    (own / "broken").mkdir()
    (own / "broken" / "model.json").write_text("{")
    models = {model["name"]: model for model in app.client.get("/models").json()["models"]}
    assert models["my-band"]["stems"] == ["low", "high"] and models["my-band"]["installed"]
    assert models["my-band"]["secondsPerSecond"]["all"] == models["lite"]["secondsPerSecond"]["all"]
    assert "broken" not in models
    upload = app.create_upload()
    app.put_song(upload)
    assert app.process(upload, model="my-band", stems="all").status_code == 202
    upload = app.create_upload()
    app.put_song(upload)
    assert app.process(upload, model="gone", stems="all").status_code == 422
