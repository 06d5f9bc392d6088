"""The player of an open song: audio output, playhead, loop, mixer and downloads."""

from __future__ import annotations

import itertools
import re
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import open_song

RATE = 44100
# The machine is busy with other programs when the first stems are to begin.
STALLS = """
(() => {
  let stalls = 3;
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...when) {
    start.apply(this, when);
    if (stalls-- <= 0) return;
    const until = performance.now() + 120;
    while (performance.now() < until);
  };
})();
"""


def samples(file: Path) -> NDArray[np.int16]:
    """Samples of a 16-bit WAV file."""
    with wave.open(str(file)) as opened:
        return np.frombuffer(opened.readframes(opened.getnframes()), "<i2")


@pytest.fixture
def page(server: Server, visit: OpenVisit, separated: str, songs: dict[str, Path]) -> Page:
    """The page, opened with a link to the short song."""
    page = visit(f"{server.address}#/s/{separated}").page
    open_song(page, songs["short"])
    return page


def play(page: Page) -> None:
    """Press play and wait until the song plays."""
    page.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_played(page, 0.8)


def playhead(page: Page) -> Locator:
    """The slider with the position in the song."""
    return page.get_by_role("slider", name="Playhead")


def position(page: Page) -> float:
    """Position of the playhead in seconds."""
    page.wait_for_timeout(300)  # the slider is updated four times a second
    return float(playhead(page).get_attribute("aria-valuenow") or -1)


def test_schedules_all_stems_together_and_without_gaps(page: Page) -> None:
    play(page)
    page.wait_for_function("() => window.audioProbe.starts.length >= 4")
    starts = audio_probe.scheduled(page)
    assert audio_probe.context(page)["sampleRate"] == RATE
    pieces = []
    for _, together in itertools.groupby(starts, key=lambda start: start["when"][0]):
        stems = list(together)
        assert len(stems) == 2
        assert stems[0] | {"called": 0} == stems[1] | {"called": 0}
        pieces.append(stems[0])
    assert [piece["length"] for piece in pieces][:2] == [5 * RATE, 5 * RATE]
    assert {piece["sampleRate"] for piece in pieces} == {RATE}
    for one, next_one in itertools.pairwise(pieces):
        assert next_one["when"][0] == pytest.approx(one["when"][0] + one["when"][2], abs=1e-9)


def test_stems_begin_together_on_a_busy_machine(
    server: Server, visit: OpenVisit, separated: str, songs: dict[str, Path]
) -> None:
    page = visit(f"{server.address}#/s/{separated}", script=audio_probe.SCRIPT + STALLS).page
    open_song(page, songs["short"])
    page.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_heard(page)
    starts = audio_probe.scheduled(page)[:2]
    assert starts[0]["when"] == starts[1]["when"]
    assert all(start["called"] < start["when"][0] for start in starts)  # what starts in the past starts late


def test_stops_at_the_end_and_plays_again_from_the_beginning(page: Page) -> None:
    playhead(page).press("End")
    playhead(page).press("Shift+ArrowLeft")
    play(page)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert position(page) == pytest.approx(12.5, abs=0.05)
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert position(page) < 5


def test_click_on_a_waveform_moves_the_playhead(page: Page) -> None:
    wave_box = page.locator(".wave").first.bounding_box()
    assert wave_box is not None
    page.mouse.click(wave_box["x"] + wave_box["width"] * 0.5, wave_box["y"] + 10)
    assert position(page) == pytest.approx(6.25, abs=0.1)


def test_loop_repeats(page: Page) -> None:
    ruler = page.locator(".scale").bounding_box()
    assert ruler is not None
    y = ruler["y"] + ruler["height"] / 2
    page.mouse.move(ruler["x"] + ruler["width"] * 0.2, y)
    page.mouse.down()
    page.mouse.move(ruler["x"] + ruler["width"] * 0.28, y, steps=4)
    page.mouse.up()
    expect(page.get_by_role("slider", name="Loop start")).to_have_attribute("aria-valuetext", "0:02")
    page.mouse.click(ruler["x"] + ruler["width"] * 0.2 + 1, y + 5)
    page.locator(".wave").first.click(position={"x": ruler["width"] * 0.2 + 2, "y": 20})
    play(page)
    audio_probe.wait_until_played(page, 3)
    assert 2.4 < position(page) < 3.6
    page.get_by_role("button", name="Loop", exact=True).click()
    page.wait_for_function(
        f"() => window.audioProbe.context.currentTime > {audio_probe.context(page)['currentTime'] + 1.5}"
    )
    assert position(page) > 3.6


def test_solo_and_volume_change_the_output(page: Page) -> None:
    play(page)
    page.get_by_role("slider", name="Volume of Vocals").fill("0")
    page.get_by_role("button", name="Solo Vocals").click()
    page.wait_for_timeout(400)
    assert audio_probe.loudness(page) < 1e-4
    page.get_by_role("button", name="Solo Vocals").click()
    page.wait_for_timeout(400)
    assert audio_probe.loudness(page) > 0.01


def test_downloaded_mix_has_the_gains_of_the_mixer(page: Page, cli_stems: Path) -> None:
    page.get_by_role("button", name="Mute Vocals").click()
    page.get_by_role("slider", name="Volume of Accompaniment").fill("50")
    with page.expect_download() as download:
        page.get_by_role("button", name="This mix").click()
    assert download.value.suggested_filename == "A short song - mix.wav"
    mixed, whole = samples(download.value.path()), samples(cli_stems / "no_vocals.wav")
    assert len(mixed) == len(whole)
    assert np.abs(mixed - whole / 2).max() <= 1


def test_a_silent_mix_can_not_be_downloaded(page: Page) -> None:
    page.get_by_role("button", name="Mute Vocals").click()
    page.get_by_role("button", name="Mute Accompaniment").click()
    expect(page.get_by_role("button", name="This mix")).to_be_disabled()


def test_zip_contains_all_stems(page: Page, cli_stems: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="All as ZIP").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        files = {name.split(" - ")[-1].split("/")[-1]: archive.read(name) for name in archive.namelist()}
    assert files == {path.name: path.read_bytes() for path in cli_stems.glob("[!.]*")}


def test_fetches_only_the_chunks_that_play(page: Page) -> None:
    # Opening a song fetches its first chunks, a moment after the button appears.
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('.play')).length === 2"
    )
    ranges: list[str] = []
    # The element that plays silence for the media keys reads a `blob:`.
    page.on(
        "request",
        lambda request: request.url.startswith("http") and ranges.append(request.headers.get("range", "")),
    )
    playhead(page).press("End")
    playhead(page).press("Shift+ArrowLeft")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => window.audioProbe.starts.length === 2")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()  # it has come to its end
    fetched = [header for header in ranges if header]
    assert len(fetched) == 2  # the last chunk of each stem, not the ten seconds before it
    assert all(re.fullmatch(r"bytes=[1-9]\d*-\d+", header) for header in fetched)
