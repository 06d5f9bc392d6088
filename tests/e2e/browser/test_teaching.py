"""Teach a model in the page, with a tiny network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.finetuning.synthetic import write_songs, write_tiny_model


@pytest.fixture
def teaching_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: None) -> Iterator[Server]:
    """A server with a tiny model of the user's own, to begin with."""
    pytest.importorskip("torch")
    monkeypatch.setenv("UNBRAID_OWN_MODELS", str(tmp_path / "own"))
    monkeypatch.setenv("UNBRAID_NICE", "0")  # other tests would leave it no processor time
    write_tiny_model(tmp_path / "own" / "tiny")
    server = Server(tmp_path / "data")
    yield server
    server.stop()


def for_seconds(route: Route) -> None:
    """Pass a start on with seconds instead of an hour."""
    route.continue_(post_data=json.dumps({**route.request.post_data_json, "minutes": 0.02}))


@pytest.mark.long
def test_checks_songs_starts_to_teach_and_goes_on_after_a_crash(
    teaching_server: Server, visit: OpenVisit, tmp_path: Path
) -> None:
    songs = write_songs(tmp_path / "songs", ("low", "high"))
    (songs / "song0" / "high.wav").write_bytes(b"")
    visited = visit(teaching_server.address)
    page = visited.page
    page.route("**/teaching/start", for_seconds)
    page.get_by_text("Teach it", exact=True).click()
    page.get_by_label("Folder of songs").set_input_files(songs)
    check = page.get_by_role("region", name="Check of the songs")
    expect(check).to_contain_text("3 of 4 songs can be used: 0:48")
    expect(check).to_contain_text("✗ song0: high.wav is empty (0 bytes). Copy or download it again.")
    expect(check).to_contain_text("All songs together are shorter than a minute. Add more songs.")

    # The corrected song is enough.
    write_songs(tmp_path / "again", ("low", "high"), songs=1)
    page.get_by_label("Folder of songs").set_input_files(tmp_path / "again")
    expect(check).to_contain_text("4 of 4 songs can be used: 1:04")
    expect(check).to_contain_text("kept aside, to test what was learnt")
    page.get_by_label("Name of the new model").fill("my-band")
    page.get_by_label("Begin with").fill("tiny")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("region", name="Teaching my-band")).to_be_visible()

    # The run survives a crash of the server.
    teaching_server.kill()
    teaching_server.start()
    page.reload()
    page.get_by_text("Teach it", exact=True).click()
    teaching = page.get_by_role("region", name="Teaching my-band")
    expect(teaching.or_(page.get_by_role("region", name="Result of my-band"))).to_be_visible()
