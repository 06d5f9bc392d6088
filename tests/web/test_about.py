"""Models, configuration, health, metrics and logs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.web.conftest import App, OpenApp
from tests.web.test_songs import assert_problem

from unbraid import __version__
from unbraid.local.logs import JsonLines, set_up
from unbraid.models import catalog
from unbraid.models.unavailable import forget, remember


def test_models_have_sizes_scores_and_costs(app: App) -> None:
    answer = app.client.get("/models").json()
    assert answer["default"] == "auto"
    models = {model["name"]: model for model in answer["models"]}
    assert list(models) == list(catalog())
    lite, ft = models["lite"], models["htdemucs_ft"]
    assert (lite["installed"], ft["installed"]) == (True, False)
    assert lite["sizeBytes"] > 1e6
    assert ft["sizeBytes"] > 3e8
    assert lite["stems"] == ["drums", "bass", "other", "vocals"]
    assert lite["sdr"]["mean"] > 0
    assert 0 < lite["secondsPerSecond"]["all"] < ft["secondsPerSecond"]["one"] < ft["secondsPerSecond"]["all"]


def test_models_say_which_model_auto_and_fast_stand_for(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("UNBRAID_OFFLINE")

    app = open_app()

    def used(choice: str, stems: str) -> tuple[str, dict[str, str]]:
        choices = {one["name"]: one["stems"] for one in app.client.get("/models").json()["choices"]}
        assert list(choices["fast"]) == ["drums", "bass", "other", "vocals", "all"]
        return choices[choice][stems]["model"], choices[choice][stems]["passedOver"]

    assert used("auto", "vocals") == used("auto", "all") == ("htdemucs", {})
    assert (used("fast", "vocals"), used("fast", "all")) == (("spleeter", {}), ("spleeter_lite", {}))
    remember("htdemucs", "no network")
    app = open_app()  # without the answer of the last second
    name, passed_over = used("auto", "vocals")
    assert name == "spleeter"
    assert list(passed_over) == ["htdemucs"]
    assert passed_over["htdemucs"].startswith("no network (tried at ")
    assert used("fast", "vocals") == ("spleeter", {})
    monkeypatch.setenv("UNBRAID_OFFLINE", "1")
    app = open_app()
    offline = "UNBRAID_OFFLINE is set"
    assert used("auto", "all") == ("lite", {"htdemucs": offline, "spleeter": offline})
    assert app.client.get("/models").json()["downloads"] is False
    forget()


def test_lists_and_accepts_only_allowed_models(open_app: OpenApp) -> None:
    app = open_app(models=["lite"])
    answer = app.client.get("/models").json()
    assert ([model["name"] for model in answer["models"]], answer["default"]) == (["lite"], "lite")
    assert answer["choices"] == []
    upload = app.create_upload()
    app.put_song(upload)
    assert_problem(app.process(upload, model="htdemucs"), 422)
    assert app.process(upload, model="lite").status_code == 202


def test_named_ensembles_are_models_like_others(app: App) -> None:
    models = {model["name"]: model for model in app.client.get("/models").json()["models"]}
    both = models["ensemble_mdx"]
    parts = [models["mdx_voc_ft"], models["mdx_inst_hq_5"]]
    assert both["stems"] == ["vocals", "no_vocals"]
    assert both["sizeBytes"] == sum(part["sizeBytes"] for part in parts)
    assert both["secondsPerSecond"]["all"] == pytest.approx(
        sum(part["secondsPerSecond"]["all"] for part in parts)
    )
    upload = app.create_upload()
    app.put_song(upload)
    assert app.process(upload, model="mdx_voc_ft+mdx_inst_hq_5").status_code == 422
    assert app.process(upload, model="ensemble_mdx", stems="vocals").status_code == 202


def test_config_has_limits_and_features(open_app: OpenApp) -> None:
    app = open_app(max_bytes=1000, max_song_s=60, smtp_host="localhost", mail_from="unbraid@example.org")
    assert app.client.get("/config").json() == {
        "signIn": None,
        "maxBytes": 1000,
        "maxSongSeconds": 60,
        "formats": ["wav", "flac", "mp3", "m4a", "opus", "stem"],
        "mail": True,
        "mixes": True,
        "password": False,
        "events": None,
        "teaching": True,
        "wakes": False,
        "version": __version__,
    }


def test_healthz_fails_with_the_store(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    assert app.client.get("/healthz").json() == {"status": "ok", "version": __version__}

    def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(app.sessions.store, "get", away)
    assert_problem(app.client.get("/healthz"), 500)


def metrics(app: App) -> dict[tuple[str, ...], float]:
    """Metrics by name and label values."""
    answer = app.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_parse_and_are_correct(app: App) -> None:
    app.completed()
    waiting = app.create_upload()
    app.put_song(waiting)
    app.process(waiting)
    app.client.post("/status", json={"session_id": "x" * 32})
    app.client.get("/no/such/place")
    app.client.request("MADEUP", "/upload")
    values = metrics(app)
    assert values["unbraid_sessions", "COMPLETED"] == 1
    assert values["unbraid_sessions", "PENDING"] == 1
    assert values["unbraid_sessions", "FAILED"] == 0
    assert 0 <= values["unbraid_queue_age_seconds",] < 60
    assert values["unbraid_seconds_per_song_second", "lite", "one"] > 0
    assert values["unbraid_free_bytes",] > 0
    assert values["process_resident_memory_bytes",] > 1e6
    assert values["unbraid_http_responses_total", "POST", "/upload", "200"] == 2
    assert values["unbraid_http_responses_total", "PUT", "/files/{key:path}", "200"] == 2
    assert values["unbraid_http_responses_total", "POST", "/status", "404"] == 1
    assert values["unbraid_http_responses_total", "GET", "other", "404"] == 1
    assert values["unbraid_http_responses_total", "other", "/upload", "405"] == 1
    assert values["unbraid_http_request_seconds_count", "POST", "/upload"] == 2
    assert values["unbraid_http_faults_total",] == 0


def test_counts_internal_errors(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(app.service, "status", break_down)
    app.client.post("/status", json={"session_id": "x" * 32})
    assert metrics(app)["unbraid_http_faults_total",] == 1


# Logs


@pytest.fixture
def root_logger() -> Iterator[None]:
    """Restore the root logger afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_logs_one_line_per_request_with_its_id(
    app: App, root_logger: None, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up("info")
    answer = app.client.get("/healthz", headers={"X-Request-ID": "client-7"})
    assert answer.headers["x-request-id"] == "client-7"
    assert len(app.client.get("/healthz").headers["x-request-id"]) == 16
    assert len(app.client.get("/healthz", headers={"X-Request-ID": "a\tb"}).headers["x-request-id"]) == 16
    records = lines(capsys.readouterr().err)
    first, *rest = [line for line in records if line["logger"] == "unbraid.web"]  # the test client logs too
    assert len(rest) == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert 0 < first.pop("seconds") < 5
    assert first == {
        "level": "info",
        "logger": "unbraid.web",
        "message": "answered",
        "request_id": "client-7",
        "method": "GET",
        "route": "/healthz",
        "status": 200,
    }


def test_log_has_no_song_names_or_session_ids(
    app: App, root_logger: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up("debug")
    upload = app.completed("Secret Song.mp3")
    session_id = upload["sessionId"]
    status = app.status(upload)
    app.client.get(f"/status/{session_id}", headers={"X-Browser-Token": "b" * 32})
    app.client.get(status["output_files"][0]["s3_url"])
    app.client.get(status["zip_url"])
    app.client.get(f"/nothing/{session_id}")
    with app.client.websocket_connect(f"ws://127.0.0.1:8000/events?session_id={session_id}") as socket:
        socket.receive_json()

    def break_down(*_: object) -> None:
        raise RuntimeError(f"can't read {app.store.root}/outputs/{session_id}/vocals.wav")

    monkeypatch.setattr(app.service, "status", break_down)
    app.client.post("/status", json={"session_id": session_id})
    written = capsys.readouterr().err
    assert len(lines(written)) > 10
    assert "RuntimeError: can't read" in written
    for private in (session_id, "Secret", "vocals.wav", "signature", "song.mp3", "b" * 32, "testclient"):
        assert private not in written, private


@pytest.mark.parametrize("session_id", ["-" + "a" * 31, "a" * 31 + "-", "_" * 32, "-" * 32])
@pytest.mark.parametrize(
    "around", ["{}", "/status/{}", "session_id={}&x", "'{}'", "outputs/{}/vocals.wav", "é{}"]
)
def test_redacts_session_id_in_any_context(session_id: str, around: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "f.py", 1, around.format(session_id), None, None)
    assert session_id[1:-1] not in JsonLines().format(record)


def test_formats_records_of_other_loggers() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f.py", 1, "line\nbreak %s", ("é",), None)
    record.number = 7
    records = json.loads(JsonLines().format(record))
    assert (records["level"], records["message"], records["number"]) == ("warning", "line\nbreak é", 7)
