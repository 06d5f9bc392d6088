"""Songs are heard while they are separated: the original at once, then the stems, then the finished stems."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, Route, expect
from tests.e2e.browser import audio_recorder
from tests.e2e.browser.conftest import TIMEOUT_MS, OpenVisit
from tests.e2e.browser.server import Server
from tests.e2e.browser.sounds import RATE, write_sound
from tests.e2e.browser.steps import card, open_song, pick, wait_until_done

SECONDS = 150
HIGHEST_HZ = 1200  # of the song; a click has higher frequencies
PIECES = "**/*.play*"
Samples = NDArray[np.float64]


@pytest.fixture(scope="module")
def hum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song of low noise, which never repeats. Anything above HIGHEST_HZ is not of the song."""
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(SECONDS * RATE))
    spectrum[np.fft.rfftfreq(SECONDS * RATE, 1 / RATE) > HIGHEST_HZ] = 0
    samples = np.fft.irfft(spectrum)
    path = tmp_path_factory.mktemp("hums") / "A hum.wav"
    return write_sound(path, 0.5 * samples / np.abs(samples).max(), channels=1)


def read(path: Path) -> Samples:
    """Return the samples of a mono WAV at full scale 1."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def place(part: Samples, whole: Samples) -> tuple[int, Samples]:
    """Return where `part` is in `whole`, and the difference between both."""
    size = 1 << (len(whole) + len(part)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    at = int(np.argmax(correlation[: len(whole) - len(part)]))
    return at, part - whole[at : at + len(part)]


def db(samples: Samples) -> float:
    """Return the largest sample in dB of full scale."""
    return float(20 * np.log10(np.abs(samples).max() + 1e-12))


def clicks(samples: Samples, rate: int) -> Samples:
    """Return what is above the song's frequencies."""
    spectrum = np.fft.rfft(samples * np.hanning(len(samples)))
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate) < 3 * HIGHEST_HZ] = 0
    return np.fft.irfft(spectrum)


def button(song: Locator, name: str) -> Locator:
    return song.get_by_role("button", name=name, exact=True)


class Held:
    """Requests of a page that get no answer before `release`."""

    def __init__(self, page: Page, pattern: str) -> None:
        self.page, self.pattern = page, pattern
        self.requests: list[Route] = []
        page.route(pattern, self.hold)

    def hold(self, route: Route) -> None:
        """Keep a request."""
        self.requests.append(route)

    def wait(self) -> None:
        """Wait for the first request."""
        while not self.requests:
            self.page.wait_for_timeout(50)

    def release(self) -> None:
        """Let all of them go on."""
        for route in self.requests:
            route.continue_()
        self.requests.clear()
        self.page.unroute(self.pattern)


def pause_while_stems_load(page: Page, song: Locator) -> None:
    """Play, and pause before the stems are there to cross over to. The song stays paused when they are."""
    pieces = Held(page, PIECES)
    page.keyboard.press("Space")
    expect(button(song, "Pause")).to_be_visible()
    pieces.wait()
    page.keyboard.press("Space")
    pieces.release()
    page.wait_for_timeout(500)
    expect(button(song, "Play")).to_be_visible()


def wait_until_silent(page: Page, context: int) -> None:
    """Wait until an audio context is suspended."""
    page.wait_for_function(f"() => window.recordings[{context}].context.state === 'suspended'")


def test_a_song_that_sounds_when_it_is_done_can_be_paused(
    server: Server, visit: OpenVisit, songs: dict[str, Path]
) -> None:
    opened = visit(server.address, bypass_csp=True, script=audio_recorder.SCRIPT)
    page = opened.page
    page.route("**/pieces", lambda route: route.fulfill(status=503))  # no stems before it is done
    waveforms = Held(page, "**/*.peaks.json*")
    pick(page, songs["other"])
    song = card(page, songs["other"])
    expect(button(song, "Pause")).to_be_visible()
    while song.get_by_role("progressbar").count() > 0:
        page.keyboard.press("Home")  # so that it doesn't end before it is done
        page.wait_for_timeout(500)
    # While the waveforms load, and then the first chunks, the original goes on.
    expect(button(song, "Pause")).to_be_visible()
    page.keyboard.press("Space")
    wait_until_silent(page, 0)
    expect(button(song, "Play")).to_be_visible()
    page.keyboard.press("Space")
    expect(button(song, "Pause")).to_be_visible()
    chunks = Held(page, PIECES)
    waveforms.release()
    expect(button(song, "Mute Vocals")).to_be_visible()
    button(song, "Pause").click()
    wait_until_silent(page, 0)
    expect(button(song, "Play")).to_be_visible()
    playhead = song.get_by_role("slider", name="Playhead")
    place_s = float(playhead.get_attribute("aria-valuenow") or 0)
    chunks.wait()
    chunks.release()
    expect(button(song, "Play")).to_be_visible()
    button(song, "Play").click()
    page.wait_for_function("() => window.recordings[1]?.blocks.some(({ samples }) => samples.some(Boolean))")
    assert float(playhead.get_attribute("aria-valuenow") or 0) == pytest.approx(place_s, abs=2)
    assert [error for error in opened.errors if "503" not in error] == []


@pytest.mark.long  # needs a quiet machine: a busy one starts pieces late
def test_stems_are_heard_while_the_song_is_separated(server: Server, visit: OpenVisit, hum: Path) -> None:
    opened = visit(server.address, bypass_csp=True, script=audio_recorder.SCRIPT)
    page = opened.page
    pick(page, hum)
    song = card(page, hum)
    expect(song.get_by_text("Original", exact=True)).to_be_visible()
    page.wait_for_function("() => window.recordings[0]?.blocks.length > 400")  # it sounds
    page.keyboard.press("Space")  # after a click on "Add songs", which has the focus
    expect(button(song, "Play")).to_be_visible()
    expect(button(song, "Mute Vocals")).to_be_visible()  # there are stems
    pause_while_stems_load(page, song)
    page.keyboard.press("Space")
    expect(song.get_by_text("Stems", exact=True)).to_be_visible()
    page.wait_for_timeout(1500)
    page.keyboard.press("1")
    expect(button(song, "Mute Vocals")).to_have_attribute("aria-pressed", "true")
    expect(song.get_by_role("progressbar")).to_have_count(1)  # it is still being separated
    page.wait_for_timeout(1000)
    muted = len(audio_recorder.recordings(page)[1].samples)
    wait_until_done(page, hum)
    expect(button(song, "Mute Vocals")).to_have_attribute(
        "aria-pressed", "true"
    )  # in the player of the files
    expect(button(song, "Pause")).to_be_visible()
    page.wait_for_timeout(500)
    done = len(audio_recorder.recordings(page)[1].samples)
    for _ in range(8):
        page.keyboard.press("ArrowRight")  # far beyond the pieces that were loaded
    page.wait_for_timeout(2500)
    original, stems = audio_recorder.recordings(page)
    assert opened.errors == []

    newest = max(server.data.rglob("no_vocals.wav"), key=lambda path: path.stat().st_mtime)
    mixture, accompaniment = read(hum), read(newest)
    assert original.rate == stems.rate == RATE
    begin, end = stems.sound[0], original.sound[1]
    # All stems together are the song, at the place of the original and without a click.
    at, difference = place(stems.samples[begin + RATE // 5 : begin + RATE], mixture)
    assert db(difference) < -60
    heard = end - RATE // 8, end - RATE // 16  # before the crossfade; the song was paused shortly before
    before, _ = place(original.samples[slice(*heard)], mixture)
    stems_lead_s = at / RATE - stems.page_time(begin + RATE // 5)
    assert stems_lead_s == pytest.approx(before / RATE - original.page_time(heard[0]), abs=0.06)
    assert db(clicks(stems.samples[begin - RATE // 10 : begin + RATE // 2], RATE)) < -60
    assert db(clicks(original.samples[heard[0] : end + RATE // 10], RATE)) < -60
    # One stem alone is the file at the end, without a gap up to the end of the separation and later.
    begin_s = begin + RATE // 5
    expected = accompaniment[at + muted - begin_s : at + done - begin_s]
    assert db(stems.samples[muted:done] - expected) < -60
    last, difference = place(stems.samples[-RATE * 3 // 2 : -RATE // 2], accompaniment)
    assert db(difference) < -60
    assert last > at + 30 * RATE


def test_one_song_sounds_and_has_the_keys(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str, hum: Path
) -> None:
    page = visit(f"{server.address}#/s/{separated}").page
    finished = open_song(page, songs["short"])
    page.route("**/upload", lambda _: None)  # never answered: the song is heard as long as the test needs
    pick(page, hum)
    dropped = card(page, hum)
    expect(button(dropped, "Pause")).to_be_visible()
    page.keyboard.press("Space")
    expect(button(dropped, "Play")).to_be_visible()
    expect(button(finished, "Play")).to_be_visible()
    playhead = dropped.get_by_role("slider", name="Playhead")
    for key in ("Home", "ArrowRight", "ArrowRight", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(playhead).to_have_value("9")
    playhead.focus()  # a slider that is focused by the keyboard goes as far
    page.keyboard.press("ArrowLeft")
    expect(playhead).to_have_value("4")

    button(finished, "Play").click()
    expect(button(finished, "Pause")).to_be_visible()
    button(dropped, "Play").click()
    expect(button(finished, "Play")).to_be_visible()
    expect(button(dropped, "Pause")).to_be_visible()
    button(finished, "Play").click()
    expect(button(dropped, "Play")).to_be_visible()
    page.keyboard.press("Space")
    expect(button(finished, "Play")).to_be_visible()


ALPHAS = """canvas => {
  const { width, height } = canvas;
  const strongest = (from) => Math.max(
    ...canvas.getContext('2d').getImageData(from, 0, 6, height).data.filter((_, index) => index % 4 === 3));
  return [strongest(0), strongest(width - 12)];
}"""


def test_stems_wait_at_the_end_of_what_is_separated(server: Server, visit: OpenVisit, hum: Path) -> None:
    page = visit(server.address).page

    def only_first(route: Route) -> None:
        """Answer with the first five seconds alone."""
        response = route.fetch()
        answer = response.json()
        pieces = [piece for piece in answer["pieces"] if piece["number"] == 0]
        route.fulfill(response=response, json={**answer, "pieces": pieces})

    page.route("**/pieces", only_first)
    pick(page, hum)
    song = card(page, hum)
    button(song, "Mute Accompaniment").click(timeout=3 * TIMEOUT_MS)  # a worker yields to all other programs
    playhead = song.get_by_role("slider", name="Playhead")
    playhead.fill("4")
    if button(song, "Play").is_visible():
        button(song, "Play").click()
    expect(song.get_by_text("Waiting for the stems…")).to_be_visible()
    page.wait_for_timeout(500)
    expect(playhead).to_have_value("5")
    separated, missing = song.locator(".growing-lane canvas").first.evaluate(ALPHAS)
    assert separated == 255 and 0 < missing < 100
    page.unroute("**/pieces")
    expect(song.get_by_text("Stems", exact=True)).to_be_visible()  # it goes on when more is separated
    expect(button(song, "Mute Accompaniment")).to_have_attribute("aria-pressed", "true")
    button(song, f"Cancel {hum.stem}").click()


def test_a_reload_keeps_the_place_in_a_song_that_is_separated(
    server: Server, visit: OpenVisit, hum: Path
) -> None:
    page = visit(server.address).page
    pick(page, hum)
    song = card(page, hum)
    expect(button(song, "Mute Vocals")).to_be_visible()
    page.keyboard.press("Space")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.reload()
    expect(song.get_by_role("slider", name="Playhead")).to_have_value("10")
    expect(song.get_by_role("progressbar")).to_have_count(1)  # it is still being separated
    button(song, f"Cancel {hum.stem}").click()


def test_one_button_takes_the_voice_away_while_the_song_is_separated(
    server: Server, visit: OpenVisit, hum: Path
) -> None:
    page = visit(server.address).page
    pick(page, hum)
    song = card(page, hum)
    karaoke, voice = button(song, "Karaoke"), button(song, "Mute Vocals")
    karaoke.click()
    expect(voice).to_have_attribute("aria-pressed", "true")
    expect(karaoke).to_have_attribute("aria-pressed", "true")
    expect(song.get_by_role("progressbar")).to_have_count(1)  # it is still being separated
    karaoke.click()  # and the same button brings it back
    expect(voice).to_have_attribute("aria-pressed", "false")
    button(song, f"Cancel {hum.stem}").click()
