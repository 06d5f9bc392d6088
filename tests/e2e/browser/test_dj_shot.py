"""A stem file for DJ software, and tempo and key on the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect
from tests.analysis.sounds import RATE_HZ, chords, clicks
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import drop, open_song

from unbraid.audio.encode import Encoder
from unbraid.audio.probe import probe


def test_downloads_a_stem_file_and_shows_tempo_and_key(
    server: Server, visit: OpenVisit, tmp_path: Path
) -> None:
    path = tmp_path / "Dance.wav"
    with Encoder(path, sample_rate=RATE_HZ, channels=1) as encoder:
        cadence = 2 * [(45, 57, 60, 64), (38, 57, 62, 65), (40, 56, 59, 64), (45, 57, 60, 64)]
        encoder.write((chords(cadence) + clicks(120, len(cadence)))[:1])
    expect.set_options(timeout=400_000)
    user = visit(server.address)
    page = user.page
    page.get_by_label("With model").select_option("lite")
    page.get_by_label("As format").select_option(label="Stem file for DJ software")
    expect(page.get_by_label("Split into stems")).to_have_value("all")
    expect(page.get_by_text("also make a video")).to_have_count(0)
    drop(page, path)
    song = open_song(page, path)
    expect(song).to_contain_text("BPM · A minor")
    song.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_played(page, 1)
    expect(song.get_by_role("button", name="This mix")).to_have_count(0)
    with page.expect_download() as download:
        song.get_by_role("link", name="For DJ software").click()
    assert download.value.suggested_filename == "Dance.stem.mp4"
    assert probe(download.value.path()).streams == 5
    assert user.errors == []
    page.screenshot(path="/tmp/dj/page.png", full_page=True)
