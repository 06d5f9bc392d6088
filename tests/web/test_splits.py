"""`POST /process` with `from`, and the calls that include the parts of a stem."""

from __future__ import annotations

import io
import wave
import zipfile
from typing import Any

import numpy as np
import pytest
from tests.conftest import WriteWave
from tests.web import conftest
from tests.web.conftest import App


@pytest.fixture
def upload(app: App, write_wave: WriteWave, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A completed song with two identical stems."""
    path = write_wave(app.settings.data / "stem.wav", 0.5)
    monkeypatch.setattr(conftest, "OCTETS", path.read_bytes())
    return app.completed("My Song.mp3")


def split(app: App, upload: dict[str, Any], **fields: Any) -> Any:
    body = {"sessionId": upload["sessionId"], "from": "no_vocals", "model": "lite", **fields}
    return app.client.post("/process", json=body)


def finish(app: App, part: dict[str, Any]) -> None:
    app.names = ["no_vocals.drums", "no_vocals.other"]
    app.complete(part)


def test_a_status_has_the_stem_at_work_then_its_parts(app: App, upload: dict[str, Any]) -> None:
    answer = split(app, upload)
    assert answer.status_code == 202
    part = answer.json()
    assert part == {"sessionId": part["sessionId"], "status": "PENDING"}
    assert part["sessionId"] != upload["sessionId"]
    status = app.status(upload)
    assert status["status"] == "COMPLETED"
    (shown,) = status["splits"]
    assert shown.keys() == {
        *("from", "session_id", "status", "progress", "eta_seconds", "model", "start", "end", "error_message")
    }
    assert (shown["from"], shown["session_id"], shown["model"]) == ("no_vocals", part["sessionId"], "lite")
    finish(app, part)
    done = app.status(upload)
    assert done["splits"][0]["status"] == "COMPLETED"
    assert [(file["type"], file["from"]) for file in done["output_files"]] == [
        ("vocals", None),
        ("no_vocals", None),
        ("no_vocals.drums", "no_vocals"),
        ("no_vocals.other", "no_vocals"),
    ]
    for file in done["output_files"]:
        assert app.client.get(file["s3_url"]).status_code == 200
    with zipfile.ZipFile(io.BytesIO(app.client.get(done["zip_url"]).content)) as archive:
        assert archive.namelist() == [
            f"My Song/{name}.wav" for name in ("vocals", "no_vocals", "no_vocals.drums", "no_vocals.other")
        ]


def test_sockets_of_the_song_hear_of_its_parts(app: App, upload: dict[str, Any]) -> None:
    with app.client.websocket_connect(
        f"ws://127.0.0.1:8000/events?session_id={upload['sessionId']}"
    ) as socket:
        assert socket.receive_json()["splits"] == []
        part = split(app, upload).json()
        assert socket.receive_json()["splits"][0]["from"] == "no_vocals"
        finish(app, part)
        while len((status := socket.receive_json())["output_files"]) < 4:
            pass
        assert status["output_files"][2]["from"] == "no_vocals"


def test_parts_in_a_mix_replace_their_stem(app: App, upload: dict[str, Any]) -> None:
    finish(app, split(app, upload).json())

    def level(**gains: float) -> float:
        answer = app.client.post("/mix", json={"session_id": upload["sessionId"], "gains": gains})
        with wave.open(io.BytesIO(app.client.get(answer.json()["s3_url"]).content)) as file:
            mixed = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        with wave.open(io.BytesIO(conftest.OCTETS)) as file:
            stem = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        return float(mixed @ stem / (stem @ stem))

    assert level(vocals=0.25) == pytest.approx(1.25, abs=0.01)
    drums = {"no_vocals.drums": 0.5, "no_vocals.other": 0.25}
    assert level(vocals=0, **drums) == pytest.approx(0.75, abs=0.01)
    assert level(vocals=0, **{"no_vocals.drums": 0}) == pytest.approx(1, abs=0.01)


def test_stems_of_a_comparison_are_no_part_of_a_mix(app: App, upload: dict[str, Any]) -> None:
    part = split(app, upload, **{"from": "mix", "start": 0.1, "end": 0.2}).json()
    app.names = ["mix.drums"]
    app.complete(part)
    body = {"session_id": upload["sessionId"], "gains": {"mix.drums": 1}}
    answer = app.client.post("/mix", json=body)
    assert answer.status_code == 422
    assert "It has vocals, no_vocals." in answer.text


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({"from": "guitar"}, 422, "This song has no stem 'guitar'. It has vocals, no_vocals."),
        ({"quality": "slow"}, 422, "fast"),
        ({"model": "nothing"}, 422, "There is no model 'nothing'."),
        ({"stems": "drums"}, 422, "Leave out stems: a stem is separated into all stems of the model."),
        ({"format": "mp3"}, 422, "Leave out format"),
        ({"sessionId": "x" * 32}, 404, "This song is unknown"),
    ],
)
def test_explains_invalid_requests(
    app: App, upload: dict[str, Any], fields: dict[str, str], status: int, detail: str
) -> None:
    answer = split(app, upload, **fields)
    assert answer.status_code == status
    assert detail in answer.json()["detail"]


def test_a_stem_has_a_quality_like_a_song(app: App, upload: dict[str, Any]) -> None:
    part = split(app, upload, model="auto", quality="fast").json()
    assert app.service.get(part["sessionId"], None).choices.quality == "fast"


def test_a_song_without_from_needs_its_key(app: App, upload: dict[str, Any]) -> None:
    answer = app.client.post("/process", json={"sessionId": upload["sessionId"]})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "#/s3Key", "detail": "field required"}]


def test_a_running_song_has_no_stems_to_separate(app: App) -> None:
    upload = app.create_upload()
    app.put_song(upload)
    app.process(upload)
    answer = split(app, upload)
    assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
