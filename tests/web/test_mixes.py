"""`POST /mix`."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import pytest
from tests.conftest import WriteWave
from tests.web import conftest
from tests.web.conftest import App
from tests.web.test_songs import assert_problem

from unbraid.web import mixes


@pytest.fixture
def song(app: App, write_wave: WriteWave, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a completed song with two identical stems."""
    path = write_wave(app.settings.data / "stem.wav", 0.5)
    monkeypatch.setattr(conftest, "OCTETS", path.read_bytes())
    return str(app.completed("My Song.mp3")["sessionId"])


def samples(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def test_mix_is_the_sum_of_stems_times_gains(app: App, song: str) -> None:
    stem = samples(conftest.OCTETS)
    body = {"session_id": song, "gains": {"vocals": 0.25, "no_vocals": 0.5}, "format": "wav"}
    answer = app.client.post("/mix", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["filename"] == "My Song - mix.wav"
    file = app.client.get(answer.json()["s3_url"])
    assert "My%20Song%20-%20mix.wav" in file.headers["content-disposition"]
    assert np.abs(samples(file.content) - 0.75 * stem).max() <= 1
    # A repeated mix reuses its file, another mix adds one, and cleanup deletes both.
    assert len(list(app.store.root.glob("mixes/*/*"))) == 1
    app.client.post("/mix", json=body)
    assert len(list(app.store.root.glob("mixes/*/*"))) == 1
    app.client.post("/mix", json={**body, "gains": {"vocals": 0}})
    assert len(list(app.store.root.glob("mixes/*/*"))) == 2
    app.client.post("/cleanup", json={"session_id": song})
    assert app.client.get(answer.json()["s3_url"]).status_code == 404
    assert list(app.store.root.glob("mixes/*")) == list(app.store.root.glob(".part-*")) == []


def test_deletes_oldest_mixes_of_a_song(app: App, song: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixes, "KEPT", 1)
    for gain in (0.1, 0.2):
        answer = app.client.post("/mix", json={"session_id": song, "gains": {"vocals": gain}})
    assert len(list(app.store.root.glob("mixes/*/*"))) == 1
    assert app.client.get(answer.json()["s3_url"]).status_code == 200


def test_song_deleted_during_mix_stays_deleted(app: App, song: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = mixes._write_mix

    async def delete_then_make(*arguments: Any) -> None:
        app.service.cleanup(song)
        await make(*arguments)

    monkeypatch.setattr(mixes, "_write_mix", delete_then_make)
    assert_problem(app.client.post("/mix", json={"session_id": song, "gains": {"vocals": 1}}), 404)
    assert [path for path in app.store.root.rglob("*") if path.is_file()] == []


def test_limits_waiting_mixes(app: App, song: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixes, "WAITING", -mixes.CONCURRENT)
    answer = app.client.post("/mix", json={"session_id": song, "gains": {"vocals": 1}})
    assert_problem(answer, 429)
    assert answer.headers["retry-after"] == "10"


def test_mix_needs_free_disk_space(app: App, song: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.store, "free_bytes", lambda: 0)
    assert_problem(app.client.post("/mix", json={"session_id": song, "gains": {"vocals": 1}}), 507)


def test_explains_invalid_mix_requests(app: App, song: str) -> None:
    for gains, word in (
        ({"kazoo": 1}, "kazoo"),
        ({"vocals": 3}, "gains/vocals"),
        ({"vocals": -1}, "gains/vocals"),
        ({}, "gains"),
        ({"vocals": 0, "no_vocals": 0}, "silent"),
    ):
        body = {"session_id": song, "gains": gains, "format": "wav"}
        assert word in assert_problem(app.client.post("/mix", json=body), 422)["detail"]
    waiting = app.create_upload()
    body = {"session_id": waiting["sessionId"], "gains": {"vocals": 1}}
    assert_problem(app.client.post("/mix", json=body), 409)
    assert_problem(app.client.post("/mix", json={**body, "session_id": "x" * 32}), 404)
