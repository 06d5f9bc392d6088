"""Measure when a new user on a phone hears the voice go away: from the drop of a song, in Chromium.

    .venv-test/bin/python benchmarks/first_use.py SONG [-m MODEL …] [--runs N] [--pictures FOLDER]

It needs the packages of the tests (CONTRIBUTING.md), Chromium and Node.js. The user has read nothing and changes no
choice but the model: picks a song, and taps "Karaoke" as soon as it is there. `visible` says whether that button could
be tapped without scrolling. The voice is gone when the page's sound becomes equal to the finished accompaniment: from
then on, no sample differs by more than -50 dB of full scale, but for the gain of the files. The song must have a voice
at that time, and no part of it may repeat. Times are seconds from the choice of the file. `--pictures` writes what the
user sees at each of these moments.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, sync_playwright

from first_sound import LONGEST_S, wait_until_heard
from unbraid.audio.decode import decode_all

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.browser import audio_recorder  # noqa: E402
from tests.e2e.browser.conftest import CHROMIUM, FLAGS, build  # noqa: E402
from tests.e2e.browser.server import Server, running_server  # noqa: E402

PHONE = {"width": 390, "height": 780}
ALLOWED = 10 ** (-50 / 20)
SILENT = 10 ** (-40 / 20)
LISTEN_MS = 4000
CLOCK = "performance.now() / 1000"


@dataclass(frozen=True)
class Walk:
    """Times of one user, in seconds from the choice of the file."""

    original_s: float
    karaoke_s: float
    gone_s: float
    visible: bool


def walk(browser: Browser, server: Server, song: Path, model: str, pictures: Path | None) -> Walk:
    """Pick a song, and tap "Karaoke"."""
    context = browser.new_context(bypass_csp=True, viewport=PHONE, has_touch=True, is_mobile=True)
    context.set_default_timeout(LONGEST_S * 1000)
    context.add_init_script(audio_recorder.SCRIPT)
    choices = f'{{"model": "{model}", "stems": "vocals", "format": "wav", "video": false, "notify": ""}}'
    context.add_init_script(f"localStorage.setItem('unbraid.choices', '{choices}')")
    page = context.new_page()
    page.goto(server.address)
    page.get_by_label("With model").wait_for()

    def look(moment: str) -> None:
        if pictures is not None:
            page.screenshot(path=pictures / f"{moment}-{model}.png")

    look("1-opened")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="songs").click()
    begun = float(page.evaluate(CLOCK))
    chooser.value.set_files(song)
    original = wait_until_heard(page, 0, LONGEST_S) - begun
    look("2-original")
    karaoke = page.get_by_role("button", name="Karaoke", exact=True)
    karaoke.wait_for()
    box = karaoke.bounding_box()
    visible = box is not None and box["y"] >= 0 and box["y"] + box["height"] <= PHONE["height"]
    look("3-stems")
    karaoke.tap()
    tapped = float(page.evaluate(CLOCK)) - begun
    wait_until_heard(page, 1, LONGEST_S)
    look("4-without-voice")
    page.wait_for_timeout(LISTEN_MS)
    done = page.get_by_role("button", name=song.stem, exact=True)
    done.wait_for()
    page.wait_for_timeout(500)
    look("5-done")
    gone = voice_gone_s(page, server) - begun
    context.close()
    return Walk(original, tapped, gone, visible)


def voice_gone_s(page: Page, server: Server) -> float:
    """When the page's sound became equal to the accompaniment, by the page's clock."""
    stems = audio_recorder.recordings(page)[1]
    newest = max(server.data.rglob("no_vocals.wav"), key=lambda path: path.stat().st_mtime)
    accompaniment, vocals = mono(newest), mono(newest.with_name("vocals.wav"))
    begin, end = stems.sound
    part = stems.samples[end - 2 * stems.rate : end - stems.rate]
    at = place(part, accompaniment) - (end - 2 * stems.rate)  # of the recording's first sample
    heard = stems.samples[begin:end]
    expected = accompaniment[at + begin : at + end]
    # Files of a song whose stems exceed full scale are softer, by one gain that is known in the end.
    expected = expected * (
        heard[-stems.rate :] @ expected[-stems.rate :] / np.sum(expected[-stems.rate :] ** 2)
    )
    wrong = np.flatnonzero(np.abs(heard - expected) > ALLOWED)
    if len(wrong) and wrong[-1] > len(heard) - stems.rate:
        raise SystemExit("first_use.py: the voice did not go away")
    gone = begin + (int(wrong[-1]) + 1 if len(wrong) else 0)
    if np.abs(vocals[at + gone : at + gone + stems.rate]).max() < SILENT:
        raise SystemExit("first_use.py: the song has no voice at this time. Use another one.")
    return stems.page_time(gone)


def mono(path: Path) -> NDArray[np.float64]:
    """Mean of all channels of a file."""
    samples, _ = decode_all(path)
    return samples.mean(axis=0, dtype=np.float64)


def place(part: NDArray[np.float64], whole: NDArray[np.float64]) -> int:
    """Return where `part` is in `whole`."""
    size = 1 << (len(whole) + len(part)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    return int(np.argmax(correlation[: len(whole) - len(part)]))


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("-m", "--models", nargs="+", default=["spleeter"], metavar="MODEL")
    parser.add_argument(
        "--runs", type=int, default=3, help="songs for each model (default 3); the first is cold"
    )
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    build()
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    print("| model | song | original, s | Karaoke tapped, s | voice gone, s | visible |")
    print("| --- | --- | --- | --- | --- | --- |")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for model in options.models:
            with running_server(Path(folder, model)) as server:
                for run in range(options.runs):
                    found = walk(browser, server, options.song, model, options.pictures)
                    times = f"{found.original_s:.1f} | {found.karaoke_s:.1f} | {found.gone_s:.1f}"
                    visible = "yes" if found.visible else "no"
                    print(f"| `{model}` | {run + 1} | {times} | {visible} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
