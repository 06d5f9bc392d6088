"""Practising by the beat: loops, the click, the count-in, pan and zoom, with recorded sound."""

from __future__ import annotations

import itertools
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit, separate
from tests.e2e.browser.server import Server
from tests.e2e.browser.sounds import RATE, write_sound
from tests.e2e.browser.steps import open_song

BEAT_S = 0.5
FIRST_S = 0.25
BEATS = 46
WITHIN_S = 0.005

Sound = NDArray[np.float32]


def tone_of(beat: int) -> float:
    """Frequency of the tone that tells a beat, in Hz."""
    return 400.0 + 25 * beat


@pytest.fixture(scope="module")
def beat_song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song of 23 s at 120 BPM: on each beat a short noise, and a tone of its own."""
    rng = np.random.default_rng(3)
    sound = np.zeros(round((FIRST_S + BEATS * BEAT_S) * RATE))
    time = np.arange(round(0.4 * RATE)) / RATE
    for beat in range(BEATS):
        start = round((FIRST_S + beat * BEAT_S) * RATE)
        noise = rng.uniform(-0.5, 0.5, len(time)) * np.exp(-time / 0.005)
        tone = 0.1 * np.sin(2 * np.pi * tone_of(beat) * time) * np.minimum(1, (0.4 - time) / 0.05)
        sound[start : start + len(time)] += noise + tone
    return write_sound(tmp_path_factory.mktemp("beats") / "A beat.wav", sound)


@pytest.fixture(scope="module")
def session(server: Server, beat_song: Path) -> str:
    """Session id of that song, separated by the server."""
    return separate(server, beat_song)


@pytest.fixture
def page(server: Server, visit: OpenVisit, session: str, beat_song: Path) -> Page:
    """The page, opened with a link to the song."""
    page = visit(f"{server.address}#/s/{session}", bypass_csp=True).page
    open_song(page, beat_song)
    return page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def stored(page: Page, session: str) -> dict[str, Any]:
    """What the page keeps of the song."""
    page.wait_for_timeout(100)
    kept: dict[str, Any] = json.loads(page.evaluate("() => localStorage.getItem('unbraid.playing')"))[session]
    return kept


def drag(page: Page, from_: float, to: float) -> None:
    """Drag over the first waveform, from one share of its width to another."""
    box = page.locator(".wave").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * from_, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * to, y, steps=4)
    page.mouse.up()


def start_recording(page: Page) -> None:
    """Start the audio context with a moment of playing, and record from then on."""
    button(page, "Play").click()
    page.wait_for_function("() => window.audioProbe.starts.length > 0")
    button(page, "Pause").click()
    expect(button(page, "Play")).to_be_visible()
    audio_probe.record(page)


def onsets(sound: Sound, apart_s: float = 0.3) -> NDArray[np.float64]:
    """Times at which a mono sound rises above a third of its largest sample, in seconds."""
    loud = np.flatnonzero(np.abs(sound) > np.abs(sound).max() / 3)
    return loud[np.concatenate([[True], np.diff(loud) > apart_s * RATE])] / RATE


def beat_at(sound: Sound, onset_s: float) -> int:
    """Number of the beat whose tone follows an onset."""
    start = round((onset_s + 0.05) * RATE)
    part = sound[start : start + round(0.25 * RATE)]
    levels = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))
    hz = (np.argmax(levels[300:]) + 300) * RATE / (1 << 16)
    return round((hz - tone_of(0)) / 25)


def test_a_dragged_loop_goes_from_beat_to_beat_and_is_kept_under_a_name(
    page: Page, session: str, beat_song: Path
) -> None:
    seconds = FIRST_S + BEATS * BEAT_S
    drag(page, 6.05 / seconds, 7.9 / seconds)
    expect(page.get_by_role("slider", name="Loop start")).to_have_attribute("aria-valuetext", "0:06")
    loop = stored(page, session)["loop"]
    assert np.array([loop["from"], loop["to"]]) / RATE == pytest.approx([6.25, 7.75], abs=WITHIN_S)
    button(page, "Keep this loop").click()
    name = page.get_by_role("textbox", name="Name of this loop")
    name.fill("Solo")
    name.press("Enter")
    expect(button(page, "Solo")).to_have_attribute("aria-pressed", "true")
    start_recording(page)
    button(page, "Play").click()
    sound = audio_probe.recording(page, 4.5)[0]
    found = onsets(sound)
    assert np.diff(found) == pytest.approx(BEAT_S, abs=WITHIN_S)
    beats = [beat_at(sound, onset) for onset in found[:-1]]
    assert set(beats[:6]) == {12, 13, 14}
    assert all(after == (before - 11) % 3 + 12 for before, after in itertools.pairwise(beats))
    button(page, "Pause").click()
    page.keyboard.down("Alt")
    drag(page, 10.05 / seconds, 12.1 / seconds)
    page.keyboard.up("Alt")
    exact = stored(page, session)["loop"]
    assert np.array([exact["from"], exact["to"]]) / RATE == pytest.approx([10.05, 12.1], abs=0.05)
    assert (
        min(abs(exact["from"] / RATE % BEAT_S - FIRST_S), abs(exact["to"] / RATE % BEAT_S - FIRST_S)) > 0.05
    )
    page.reload()
    open_song(page, beat_song)
    expect(button(page, "Keep this loop")).to_be_visible()
    button(page, "Solo").click()
    expect(page.get_by_role("slider", name="Loop end")).to_have_attribute("aria-valuetext", "0:07")
    page.get_by_role("slider", name="Loop end").press("ArrowRight")
    assert stored(page, session)["tools"]["loops"][0]["to"] / RATE == pytest.approx(8.25, abs=WITHIN_S)
    page.get_by_role("slider", name="Playhead").press("Shift+ArrowRight")
    page.keyboard.press("[")  # the brackets move the ends of the loop that is on
    expect(page.get_by_role("slider", name="Loop start")).to_have_attribute("aria-valuetext", "0:07")
    expect(button(page, "Solo")).to_have_attribute("aria-pressed", "true")
    assert stored(page, session)["tools"]["loops"][0]["from"] / RATE == pytest.approx(7.25, abs=WITHIN_S)
    name.fill(" ")
    name.press("Enter")
    expect(name).to_have_value("Solo")
    expect(page.get_by_text("Another loop has this name.")).to_have_count(0)
    button(page, "Remove loop").click()
    expect(button(page, "Solo")).to_have_count(0)


@pytest.mark.parametrize("tempo", [1.0, 0.75])
def test_clicks_are_on_the_beat_and_pan_moves_a_stem(page: Page, tempo: float) -> None:
    for stem in ("Vocals", "Accompaniment"):
        page.get_by_role("slider", name=f"Pan of {stem}").fill("-100")
    page.get_by_role("slider", name="Pan of Click").fill("100")
    button(page, "Mute Click").click()
    button(page, "Count-in").click()
    for _ in range(round((1 - tempo) * 20)):
        button(page, "Tempo: less").click()
    page.get_by_role("slider", name="Playhead").press("ArrowRight")
    page.get_by_role("slider", name="Playhead").press("ArrowRight")
    start_recording(page)
    button(page, "Play").click()
    music, clicks = audio_probe.recording(page, 5)
    found = onsets(clicks)
    assert np.diff(found) == pytest.approx(BEAT_S / tempo, abs=WITHIN_S)
    heard = onsets(music)
    first = int(np.argmin(np.abs(found - heard[0])))
    assert 4 <= first + 1 <= 6  # four clicks before the music, which starts between two beats
    if tempo == 1:
        count = min(len(heard), len(found) - first)
        assert found[first : first + count] == pytest.approx(heard[:count], abs=WITHIN_S)


def test_zoom_by_wheel_keys_and_buttons_follows_the_playhead_and_is_kept(
    page: Page, session: str, beat_song: Path
) -> None:
    narrow = page.locator(".wave").first.evaluate("wave => wave.clientWidth")
    page.set_viewport_size({"width": 1600, "height": 720})  # 320 px more, which all are the waveforms'
    assert page.locator(".wave").first.evaluate("wave => wave.clientWidth") == narrow + 320
    ranges: list[str] = []
    page.on("request", lambda request: ranges.append(request.headers.get("range", "")))
    wave_box = page.locator(".wave").first.bounding_box()
    assert wave_box is not None
    page.mouse.move(wave_box["x"] + wave_box["width"] * 0.5, wave_box["y"] + 10)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    middle = BEATS * BEAT_S / 2 + FIRST_S / 2
    view = page.get_by_role("slider", name="Part of the song in view")
    expect(view).to_be_visible()
    kept = stored(page, session)["tools"]["view"]
    assert (kept["from"] + kept["to"]) / 2 / RATE == pytest.approx(middle, abs=0.5)
    assert (kept["to"] - kept["from"]) / RATE == pytest.approx(2.1, abs=0.15)
    page.wait_for_timeout(300)
    fine = [header for header in ranges if header != ""]
    assert len(fine) >= 2  # the finer waveforms of both stems
    # A click in the middle of the waveform is the middle of the view; then the view follows the playhead.
    page.mouse.click(wave_box["x"] + wave_box["width"] * 0.5, wave_box["y"] + 10)
    button(page, "Play").click()
    page.wait_for_function(
        """([session, from]) =>
          JSON.parse(localStorage.getItem('unbraid.playing'))[session].tools.view.from > from""",
        arg=[session, kept["from"] + RATE],
    )
    button(page, "Pause").click()
    page.reload()
    open_song(page, beat_song)
    expect(page.get_by_role("status", name="Zoom")).to_have_text("11×")
    page.keyboard.press("-")
    expect(page.get_by_role("status", name="Zoom")).not_to_have_text("11×")
    view.press("Home")
    assert stored(page, session)["tools"]["view"]["from"] == 0
    page.keyboard.press("0")
    expect(view).to_have_count(0)
    page.keyboard.press("+")
    expect(page.get_by_role("status", name="Zoom")).to_have_text("2×")


def test_on_a_phone_two_fingers_zoom_and_every_control_has_44_pixels(
    server: Server, visit: OpenVisit, session: str, beat_song: Path
) -> None:
    phone = {"viewport": {"width": 320, "height": 700}, "has_touch": True, "is_mobile": True}
    page = visit(f"{server.address}#/s/{session}", **phone).page
    open_song(page, beat_song)
    button(page, "Loop").tap()
    button(page, "Keep this loop").tap()
    button(page, "Mute Click").tap()
    row = page.locator(".wave").first
    row.scroll_into_view_if_needed()
    box = row.bounding_box()
    assert box is not None
    before = stored(page, session)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: float) -> None:
        points = [
            {"x": box["x"] + box["width"] * place, "y": box["y"] + 20, "id": finger}
            for finger, place in enumerate(places)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 0.45, 0.55)
    for apart in (0.1, 0.15, 0.2):
        fingers("touchMove", 0.5 - apart, 0.5 + apart)
    fingers("touchEnd")
    view = page.get_by_role("slider", name="Part of the song in view")
    expect(view).to_be_visible()
    after = stored(page, session)
    shown = after["tools"]["view"]
    assert (shown["to"] - shown["from"]) / RATE == pytest.approx((FIRST_S + BEATS * BEAT_S) / 4, rel=0.05)
    assert (after["loop"], after["seconds"]) == (before["loop"], before["seconds"])
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320
    small = page.evaluate(
        """() => [...document.querySelectorAll('.player :is(button, a, select, input, [role=slider])')]
          .filter((element) => element.checkVisibility())
          .map((element) => [element.ariaLabel ?? element.textContent, element.closest('label') ?? element])
          .map(([name, element]) => [name, element.getBoundingClientRect()])
          .filter(([, box]) => box.width < 44 || box.height < 44)
          .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""
    )
    assert small == []


def downloaded_mix(page: Page) -> Sound:
    """Download the mix: (channels, samples)."""
    with page.expect_download() as download:
        button(page, "This mix").click()
    assert download.value.suggested_filename == "A beat - mix.wav"
    with wave.open(str(download.value.path())) as file:
        assert (file.getframerate(), file.getsampwidth()) == (RATE, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (samples.reshape(-1, file.getnchannels()).T / 2**15).astype(np.float32)


def test_the_downloaded_mix_has_tempo_key_pan_and_click(page: Page) -> None:
    seconds = FIRST_S + BEATS * BEAT_S
    for stem in ("Vocals", "Accompaniment"):
        page.get_by_role("slider", name=f"Pan of {stem}").fill("-100")
    page.get_by_role("slider", name="Pan of Click").fill("100")
    music, right = downloaded_mix(page)
    assert (music.shape[0], np.abs(right).max()) == (round(seconds * RATE), 0)  # the click is muted
    assert onsets(music) == pytest.approx(FIRST_S + BEAT_S * np.arange(BEATS), abs=WITHIN_S)
    button(page, "Mute Click").click()
    page.get_by_role("checkbox", name="With the click").check()
    for _ in range(5):
        button(page, "Tempo: more").click()
    for _ in range(3):
        button(page, "Key: less").click()
    music, clicks = downloaded_mix(page)
    assert music.shape[0] == pytest.approx(seconds / 1.25 * RATE, rel=0.01)
    beats = (FIRST_S + BEAT_S * np.arange(BEATS)) / 1.25
    assert onsets(clicks) == pytest.approx(beats, abs=WITHIN_S)
    for beat in (4, 20, 40):
        start = round((beats[beat] + 0.04) * RATE)
        part = music[start : start + round(0.25 * RATE)]
        levels = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18))
        pitch = (np.argmax(levels[1000:]) + 1000) * RATE / (1 << 18)
        assert pitch == pytest.approx(tone_of(beat) * 2 ** (-3 / 12), rel=0.01)
