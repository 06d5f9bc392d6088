"""Measure how soon a dropped song is heard in Chromium: the original, and its first stems.

    .venv-test/bin/python benchmarks/first_sound.py SONG [-m MODEL …] [--runs N] [--seeded]

It needs the packages of the tests (CONTRIBUTING.md), Chromium and Node.js. It starts `unbraid serve` with an empty data
folder for each model, drops the song once so that the worker has loaded the model, and then again, in a new browser
each time. `cold` is the first drop, with a worker that has just started. Times are seconds from the drop to the first
sample that is not silent, as it leaves the page's audio graph. The song must be longer than the time to its first
stems: when the original has ended, nothing is heard any more. Nor are the stems of a model that is slower than the
song: they never catch up with the original. A model must be in the cache already. With `--seeded`,
models that `seeded_models.py` knows get seeded weights of the published sizes in a cache of its own, which needs
PyTorch; the time doesn't depend on their values.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from seeded_models import INSTALL, install

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.browser import audio_recorder  # noqa: E402
from tests.e2e.browser.conftest import CHROMIUM, FLAGS  # noqa: E402
from tests.e2e.browser.server import Server  # noqa: E402

LONGEST_S = 300.0
# The page's clock when the first sample of a context isn't silent, without the time of the audio device.
SOUNDS = """index => {
  const recording = window.recordings[index];
  const at = recording?.blocks.findIndex(({ samples }) => samples.some((sample) => sample !== 0)) ?? -1;
  return at < 0 ? null : recording.clocks[at][0];
}"""


def wait_until_heard(page: Page, context: int, longest_s: float) -> float:
    """Wait until one of the page's audio contexts sounds; return when, in seconds of the page's clock."""
    until = time.monotonic() + longest_s
    while (heard := page.evaluate(SOUNDS, context)) is None:
        if time.monotonic() > until:
            raise SystemExit("first_sound.py: nothing was heard. Does the page play this song?")
        page.wait_for_timeout(50)
    return float(heard)


def end(page: Page, song: Path) -> None:
    """Cancel the song, so that the next one needn't wait for it, if it isn't done yet."""
    cancel = page.get_by_role("button", name=f"Cancel {song.stem}")
    done = page.get_by_role("button", name=song.stem, exact=True)
    cancel.or_(done).first.wait_for()
    if cancel.is_visible():
        cancel.click()
        page.get_by_text("Cancelled.").first.wait_for()


def drop(browser: Browser, server: Server, song: Path, model: str, longest_s: float) -> tuple[float, float]:
    """Drop the song in a new browser; return the seconds to the original and to the first stems."""
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(longest_s * 1000)
    context.add_init_script(audio_recorder.SCRIPT)
    choices = f'{{"model": "{model}", "stems": "vocals", "format": "wav", "video": false, "notify": ""}}'
    context.add_init_script(f"localStorage.setItem('unbraid.choices', '{choices}')")
    page = context.new_page()
    page.goto(server.address)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="songs").click()
    begun = float(page.evaluate("performance.now() / 1000"))
    with page.expect_request("**/process") as request:
        chooser.value.set_files(song)
    used = request.value.post_data_json["model"]
    if used != model:
        raise SystemExit(f"first_sound.py: the song is separated with another model than {model}: {used}")
    original = wait_until_heard(page, 0, longest_s) - begun
    first = wait_until_heard(page, 1, longest_s) - begun
    end(page, song)
    context.close()
    return original, first


def measure(browser: Browser, model: str, options: argparse.Namespace) -> str:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder, "data"))
        try:
            cold, *warm = [
                drop(browser, server, options.song, model, options.longest) for _ in range(options.runs + 1)
            ]
        finally:
            server.stop()
    original, stems = (statistics.median(times) for times in zip(*warm, strict=True))
    return f"| `{model}` | {original:.1f} | {stems:.1f} | {cold[0]:.1f} | {cold[1]:.1f} |"


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("song", type=Path)
    parser.add_argument("-m", "--models", nargs="+", default=["lite", "spleeter"], metavar="MODEL")
    parser.add_argument(
        "--runs", type=int, default=3, metavar="N", help="drops with a loaded model (default 3)"
    )
    parser.add_argument(
        "--longest", type=float, default=LONGEST_S, metavar="S", help="longest wait for a song (default 300)"
    )
    parser.add_argument("--seeded", action="store_true", help="measure models with seeded weights")
    options = parser.parse_args()
    if not options.song.is_file():
        parser.error(f"{options.song} is not a file")
    with tempfile.TemporaryDirectory() as cache, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        print("| model | original, s | first stems, s | original, cold | first stems, cold |")
        print("| --- | --- | --- | --- | --- |")
        for model in options.models:
            if options.seeded and model in INSTALL:
                install(model, Path(cache))
            print(measure(browser, model, options), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
