"""An open song: what is heard, and what can be taken away."""

from __future__ import annotations

import itertools
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browser import sound
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.serving import Server
from tests.e2e.browser.steps import open_song

RATE = 44100


def samples(file: Path) -> NDArray[np.int16]:
    """Of a 16-bit WAV."""
    with wave.open(str(file)) as opened:
        return np.frombuffer(opened.readframes(opened.getnframes()), "<i2")


@pytest.fixture
def page(server: Server, visit: OpenVisit, separated: str, songs: dict[str, Path]) -> Page:
    """The page with the song of a link that somebody was sent."""
    page = visit(f"{server.address}#/s/{separated}").page
    open_song(page, songs["short"])
    return page


def play(page: Page) -> None:
    """And wait until it is heard."""
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => window.ears.context?.currentTime > 0.8")


def position(page: Page) -> Locator:
    """Where the song is."""
    return page.get_by_role("slider", name="Place in the song")


def place(page: Page) -> float:
    """Seconds from the song's beginning."""
    page.wait_for_timeout(300)  # the slider is told of it four times a second
    return float(position(page).get_attribute("aria-valuenow") or -1)


def test_all_stems_are_started_together_piece_after_piece_without_a_gap(page: Page) -> None:
    play(page)
    page.wait_for_function("() => window.ears.starts.length >= 4")
    starts = sound.scheduled(page)
    assert sound.context(page)["sampleRate"] == RATE
    pieces = []
    for _, together in itertools.groupby(starts, key=lambda start: start["when"][0]):
        stems = list(together)
        assert len(stems) == 2
        assert stems[0] == stems[1]
        pieces.append(stems[0])
    assert [piece["length"] for piece in pieces][:2] == [5 * RATE, 5 * RATE]
    assert {piece["sampleRate"] for piece in pieces} == {RATE}
    for one, next_one in itertools.pairwise(pieces):
        assert next_one["when"][0] == pytest.approx(one["when"][0] + one["when"][2], abs=1e-9)


def test_the_song_ends_where_it_ends_and_can_be_played_again(page: Page) -> None:
    position(page).press("End")
    position(page).press("Shift+ArrowLeft")
    play(page)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert place(page) == pytest.approx(12.5, abs=0.05)
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert place(page) < 5


def test_a_click_on_a_waveform_moves_there(page: Page) -> None:
    wave_box = page.locator(".wave").first.bounding_box()
    assert wave_box is not None
    page.mouse.click(wave_box["x"] + wave_box["width"] * 0.5, wave_box["y"] + 10)
    assert place(page) == pytest.approx(6.25, abs=0.1)


def test_a_loop_goes_round(page: Page) -> None:
    ruler = page.locator(".scale").bounding_box()
    assert ruler is not None
    y = ruler["y"] + ruler["height"] / 2
    page.mouse.move(ruler["x"] + ruler["width"] * 0.2, y)
    page.mouse.down()
    page.mouse.move(ruler["x"] + ruler["width"] * 0.28, y, steps=4)
    page.mouse.up()
    expect(page.get_by_role("slider", name="Loop from")).to_have_attribute("aria-valuetext", "0:02")
    page.mouse.click(ruler["x"] + ruler["width"] * 0.2 + 1, y + 5)
    page.locator(".wave").first.click(position={"x": ruler["width"] * 0.2 + 2, "y": 20})
    play(page)
    page.wait_for_function("() => window.ears.context.currentTime > 3")
    assert 2.4 < place(page) < 3.6
    page.get_by_role("button", name="Loop").click()
    page.wait_for_function(
        f"() => window.ears.context.currentTime > {sound.context(page)['currentTime'] + 1.5}"
    )
    assert place(page) > 3.6


def test_solo_and_volume_are_heard(page: Page) -> None:
    play(page)
    page.get_by_role("slider", name="Volume of Vocals").fill("0")
    page.get_by_role("button", name="Solo Vocals").click()
    page.wait_for_timeout(400)
    assert sound.loudness(page) < 1e-4
    page.get_by_role("button", name="Solo Vocals").click()
    page.wait_for_timeout(400)
    assert sound.loudness(page) > 0.01


def test_the_exported_mix_is_the_one_that_was_set(page: Page, by_command_line: Path) -> None:
    page.get_by_role("button", name="Mute Vocals").click()
    page.get_by_role("slider", name="Volume of Accompaniment").fill("50")
    with page.expect_download() as download:
        page.get_by_role("button", name="This mix").click()
    assert download.value.suggested_filename == "A short song - mix.wav"
    mixed, whole = samples(download.value.path()), samples(by_command_line / "no_vocals.wav")
    assert len(mixed) == len(whole)
    assert np.abs(mixed - whole / 2).max() <= 1


def test_a_mix_of_nothing_can_not_be_exported(page: Page) -> None:
    page.get_by_role("button", name="Mute Vocals").click()
    page.get_by_role("button", name="Mute Accompaniment").click()
    expect(page.get_by_role("button", name="This mix")).to_be_disabled()


def test_all_stems_come_as_one_archive(page: Page, by_command_line: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="All as ZIP").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        held = {name.split(" - ")[-1].split("/")[-1]: archive.read(name) for name in archive.namelist()}
    assert held == {path.name: path.read_bytes() for path in by_command_line.iterdir()}


def test_what_is_fetched_to_play_does_not_grow_with_what_was_played(page: Page) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.headers.get("range", "")))
    position(page).press("End")
    position(page).press("Shift+ArrowLeft")
    play(page)
    ranges = [one for one in fetched if one]
    assert len(ranges) == 2  # the last chunk of each stem: nothing of the ten seconds before it
    assert all(one.startswith("bytes=") for one in ranges)
