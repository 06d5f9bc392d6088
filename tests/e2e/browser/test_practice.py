"""Practising with an open song: tempo and key, ready-made mixes, the original, loops, keys, and the next visit."""

from __future__ import annotations

import itertools
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import FLAGS, TIMEOUT_MS, OpenVisit, program, separate
from tests.e2e.browser.server import Server
from tests.e2e.browser.sounds import RATE, write_sound
from tests.e2e.browser.steps import card, drop, open_song

TONE_HZ = 440.0
CLICK = 1e-3  # -60 dB
SECONDS = 20


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song that is one steady tone of 440 Hz."""
    samples = 0.4 * np.sin(2 * np.pi * TONE_HZ * np.arange(SECONDS * RATE) / RATE)
    return write_sound(tmp_path_factory.mktemp("tones") / "A tone.wav", samples)


@pytest.fixture(scope="module")
def session(server: Server, tone: Path) -> str:
    """Session id of the tone, separated by the server."""
    return separate(server, tone)


@pytest.fixture
def page(server: Server, visit: OpenVisit, session: str, tone: Path) -> Page:
    """The page, opened with a link to the tone."""
    page = visit(f"{server.address}#/s/{session}").page
    open_song(page, tone)
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def seek_s(page: Page) -> float:
    """Position of the playhead in seconds."""
    page.wait_for_timeout(300)  # the slider is updated four times a second
    slider = page.get_by_role("slider", name="Playhead")
    return float(slider.get_attribute("aria-valuenow") or -1)


def play(page: Page) -> None:
    button(page, "Play").click()
    page.wait_for_function("() => window.audioProbe.starts.length > 0")
    at = audio_probe.context(page)["currentTime"]
    audio_probe.wait_until_played(page, at + 1)


def highest_step(sound: NDArray[np.float32]) -> float:
    """The highest step in a steady tone of TONE_HZ, which is zero here; a step is as high as it is."""
    return float(np.abs(sound[2:] - 2 * np.cos(2 * np.pi * TONE_HZ / RATE) * sound[1:-1] + sound[:-2]).max())


def test_tempo_keeps_the_pitch_and_the_place(page: Page) -> None:
    for _ in range(5):
        button(page, "Tempo: less").click()
    expect(page.get_by_role("status", name="Tempo")).to_have_text("75 %")
    play(page)
    page.wait_for_function("() => window.audioProbe.starts.length >= 4")  # two pieces of two stems
    first, _, second, _ = audio_probe.scheduled(page)[:4]
    assert second["when"][0] - first["when"][0] == pytest.approx(first["when"][2] / 0.75, abs=1e-9)
    assert audio_probe.pitch_hz(page) == pytest.approx(TONE_HZ, rel=0.01)
    rates = {start["playbackRate"] for start in audio_probe.scheduled(page)}
    assert rates == {0.75}


def test_key_moves_the_pitch_and_keeps_the_tempo(page: Page) -> None:
    play(page)
    button(page, "Key: more").click()
    button(page, "Key: more").click()
    expect(page.get_by_role("status", name="Key")).to_have_text("+2")
    audio_probe.wait_until_played(page, audio_probe.context(page)["currentTime"] + 1.5)
    assert audio_probe.pitch_hz(page) == pytest.approx(TONE_HZ * 2 ** (2 / 12), rel=0.01)
    button(page, "Reset").click()
    audio_probe.wait_until_played(page, audio_probe.context(page)["currentTime"] + 1)
    assert audio_probe.pitch_hz(page) == pytest.approx(TONE_HZ, rel=0.005)


def test_mixes_by_name_and_the_whole_song(page: Page) -> None:
    button(page, "Karaoke").click()
    expect(button(page, "Mute Vocals")).to_have_attribute("aria-pressed", "true")
    button(page, "Only vocals").click()
    expect(button(page, "Mute Accompaniment")).to_have_attribute("aria-pressed", "true")
    expect(button(page, "Mute Vocals")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("slider", name="Volume of Vocals").fill("0")
    play(page)
    assert audio_probe.loudness(page) < 1e-4
    page.keyboard.press("o")
    expect(button(page, "Original")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(500)
    assert audio_probe.loudness(page) == pytest.approx(0.4 / np.sqrt(2), rel=0.05)
    page.keyboard.press("o")
    page.wait_for_timeout(500)
    assert audio_probe.loudness(page) < 1e-4
    expect(page.get_by_role("group", name="Click")).to_contain_text("no steady beat")
    expect(button(page, "Count-in")).to_be_disabled()
    button(page, "Reset").click()
    expect(button(page, "Mute Accompaniment")).to_have_attribute("aria-pressed", "false")
    expect(button(page, "Reset")).to_be_disabled()


def test_the_original_and_the_mix_are_switched_without_a_click_at_the_same_place_and_loudness(
    server: Server, visit: OpenVisit, session: str, tone: Path
) -> None:
    page = visit(f"{server.address}#/s/{session}", bypass_csp=True).page
    open_song(page, tone)
    play(page)
    audio_probe.record(page)
    marks = [len(audio_probe.recording(page, 1)[0])]
    for key_or_mix in ("o", "Only vocals", "o", "o"):
        if len(key_or_mix) == 1:
            page.keyboard.press(key_or_mix)
        else:
            button(page, key_or_mix).click()
        marks.append(len(audio_probe.recording(page, marks[-1] / RATE + 0.7)[0]))
    sound = audio_probe.recording(page, marks[-1] / RATE)[0]
    assert highest_step(sound) < CLICK
    mix, original = sound[marks[0] - RATE // 2 : marks[0]], sound[marks[1] - RATE // 4 : marks[1]]
    assert np.std(original) == pytest.approx(np.std(mix), rel=0.01)
    assert np.std(sound[marks[2] - RATE // 4 : marks[2]]) != pytest.approx(np.std(mix), rel=0.1)
    times = sorted({(start["when"][0], start["when"][2]) for start in audio_probe.scheduled(page)})
    for (at, length), (following, _) in itertools.pairwise(times):
        assert following == pytest.approx(at + length, abs=1e-9)  # nothing was started again


def test_drums_keep_their_pitch_in_the_downloaded_mix(
    server: Server, visit: OpenVisit, session: str, tone: Path
) -> None:
    page = visit(server.address).page

    def rename(route: Route) -> None:
        """The tone is a stem of drums."""
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace('"no_vocals"', '"drums"'))

    page.route("**/batch/status", rename)
    page.goto(f"{server.address}#/s/{session}")
    page.reload()
    open_song(page, tone)
    button(page, "Mute Vocals").click()
    button(page, "Key: less").click()
    button(page, "Key: less").click()
    button(page, "Tempo: less").click()
    with page.expect_download() as download:
        button(page, "This mix").click()
    with wave.open(str(download.value.path())) as file:
        assert file.getnframes() == pytest.approx(SECONDS * RATE / 0.95, rel=0.01)
        samples = np.frombuffer(file.readframes(10 * RATE), "<i2")[::2]
    part = samples[5 * RATE : 6 * RATE] / 2**15
    assert np.argmax(np.abs(np.fft.rfft(part * np.hanning(RATE)))) == pytest.approx(TONE_HZ, rel=0.01)


def test_a_loop_behind_the_playhead_is_played_without_a_click_at_its_seam(
    server: Server, visit: OpenVisit, session: str, tone: Path
) -> None:
    page = visit(f"{server.address}#/s/{session}", bypass_csp=True).page
    open_song(page, tone)
    slider = page.get_by_role("slider", name="Playhead")
    slider.press("End")
    slider.press("ArrowLeft")
    button(page, "Loop").click()  # from 15 s to the end
    start = page.get_by_role("slider", name="Loop start")
    for _ in range(10):
        start.press("ArrowLeft")
    end = page.get_by_role("slider", name="Loop end")
    for _ in range(12):
        end.press("ArrowLeft")
    assert seek_s(page) == pytest.approx(5, abs=0.05)
    play(page)
    audio_probe.record(page)
    sound = audio_probe.recording(page, 3.5)[0]  # longer than the loop, so that its seam is in it
    assert 5 <= seek_s(page) < 8.05
    assert highest_step(sound[RATE // 10 :]) < CLICK


def test_space_and_arrows_play_and_seek_after_any_click(page: Page) -> None:
    button(page, "Mute Vocals").click()
    page.keyboard.press("Space")
    expect(button(page, "Pause")).to_be_visible()
    page.keyboard.press("Space")
    expect(button(page, "Play")).to_be_visible()
    expect(button(page, "Mute Vocals")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("slider", name="Volume of Vocals").click()
    before = seek_s(page)
    page.keyboard.press("ArrowRight")
    assert seek_s(page) == pytest.approx(before + 5, abs=0.05)


def test_a_button_that_was_reached_with_tab_keeps_space(page: Page) -> None:
    button(page, "Loop").click()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = page.evaluate("() => document.activeElement.textContent")
    page.keyboard.press("Space")
    expect(button(page, focused)).to_have_attribute("aria-pressed", "true")
    expect(button(page, "Play")).to_be_visible()


def practise(page: Page) -> None:
    """Choose a mix, a tempo, a key, a loop and a zoom, and move the playhead."""
    button(page, "Karaoke").click()
    button(page, "Tempo: more").click()
    button(page, "Key: less").click()
    button(page, "Loop").click()
    button(page, "Zoom in").click()
    page.get_by_role("slider", name="Playhead").press("ArrowRight")


def assert_as_it_was_left(page: Page) -> None:
    """Whether everything is as `practise` left it."""
    expect(button(page, "Karaoke")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status", name="Tempo")).to_have_text("105 %")
    expect(page.get_by_role("status", name="Key")).to_have_text("−1")
    expect(page.get_by_role("slider", name="Loop end")).to_have_attribute("aria-valuetext", "0:08")
    expect(button(page, "Zoom out")).to_be_enabled()
    assert seek_s(page) == pytest.approx(5, abs=0.05)


def test_a_song_is_found_as_it_was_left(page: Page, tone: Path) -> None:
    practise(page)
    page.reload()
    open_song(page, tone)
    assert_as_it_was_left(page)


def test_a_song_is_found_as_it_was_left_when_the_browser_starts_again(
    chromium: Browser, server: Server, session: str, tone: Path, tmp_path: Path
) -> None:
    def started(address: str) -> BrowserContext:
        context = chromium.browser_type.launch_persistent_context(
            tmp_path / "profile", executable_path=program(), args=FLAGS
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.pages[0].goto(address)
        open_song(context.pages[0], tone)
        return context

    with started(f"{server.address}#/s/{session}") as context:
        practise(context.pages[0])
        context.pages[0].wait_for_timeout(1500)  # the place is kept every second
    with started(server.address) as context:
        assert_as_it_was_left(context.pages[0])


def test_a_dropped_song_is_heard_at_once_and_its_stems_start_there(
    server: Server, visit: OpenVisit, tone: Path
) -> None:
    page = visit(server.address).page
    drop(page, tone)
    dropped = page.get_by_role("group", name=f"Play {tone.stem}")
    place = dropped.get_by_role("slider", name="Playhead")
    expect(place).to_be_visible(timeout=10_000)  # the browser can play it, wherever its upload is
    if (pause := dropped.get_by_role("button", name="Pause", exact=True)).is_visible():
        pause.click()
    place.fill("7")
    open_song(page, tone)
    assert seek_s(page) == pytest.approx(7, abs=0.05)


def test_a_file_that_the_browser_cannot_play_shows_no_original(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    page = visit(server.address).page
    drop(page, songs["broken"])
    expect(card(page, songs["broken"])).to_contain_text("damaged")
    expect(page.get_by_role("slider", name="Playhead")).to_have_count(0)
