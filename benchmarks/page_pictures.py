"""Take pictures of the page in all its states, to look at: on phones and a desktop, in light and dark.

    .venv-test/bin/python benchmarks/page_pictures.py FOLDER [--only phone|desktop] [--parts NAME …]

It needs the packages of the tests (CONTRIBUTING.md), Chromium and Node.js. It starts real servers and drives the page
through the states of `page_states.py`. For each state it writes STATE-WIDTH-SCHEME.png, and for each width and scheme
the contact sheets sheet-WIDTH-SCHEME-NUMBER.png with all states side by side. It prints what looks wrong: small
targets, words that are cut off, controls that overlap, and what axe finds. Returns 1 if it finds anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.page_place import running_servers  # noqa: E402
from tests.e2e.browser.conftest import build, running_chromium  # noqa: E402
from tests.e2e.browser.layout import problems  # noqa: E402
from tests.e2e.browser.test_accessibility import findings  # noqa: E402

from benchmarks import page_states  # noqa: E402

SCHEMES = ("light", "dark")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
DEVICES = {"phone": (PHONE, (390, 320)), "desktop": (DESKTOP, (1280,))}
ON_A_SHEET = {320: 5, 390: 4, 1280: 2}
SHEET = """<style>
  body { display: flex; gap: 12px; align-items: start; margin: 8px; background: #888; font: 16px sans-serif }
  figure { margin: 0 } figcaption { padding: 2px 0 6px }
</style>"""
SETTLING_MS = 350  # cards and dialogs appear slowly, and canvases are painted again


class Album:
    """Pictures of one page on one device."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.device = folder, device
        self.options, self.widths = DEVICES[device]
        self.states: list[str] = []
        self.wrong = 0

    @contextmanager
    def opened(self, browser: Browser, **options: Any) -> Iterator[Page]:
        """A page of a new user."""
        context = browser.new_context(reduced_motion="reduce", **self.options, **options)
        context.set_default_timeout(120_000)
        try:
            yield context.new_page()
        finally:
            context.close()

    def take(self, page: Page, state: str) -> None:
        """Take pictures of the page's state, and print what looks wrong."""
        self.states.append(state)
        height = self.options["viewport"]["height"]
        for width in self.widths:
            page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.wait_for_timeout(SETTLING_MS)
                is_dialog = page.locator("dialog[open]").count() > 0
                if not is_dialog:
                    page.evaluate("() => scrollTo(0, 0)")  # what sticks to the window would hide other parts
                    # A window as high as the page, as a picture of the full page would be drawn for a mouse.
                    whole = page.evaluate("() => document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(height, whole)})
                    page.wait_for_timeout(SETTLING_MS)
                page.screenshot(path=self._path(state, width, scheme))
                page.set_viewport_size({"width": width, "height": height})
                found = problems(page, touch=self.device == "phone")
                if width == self.widths[0]:
                    found += findings(page)
                for one in found:
                    print(f"{state}-{width}-{scheme}: {one}", flush=True)
                self.wrong += len(found)
        page.set_viewport_size(self.options["viewport"])

    def _path(self, state: str, width: int, scheme: str) -> Path:
        return self.folder / f"{state}-{width}-{scheme}.png"

    def write_sheets(self, browser: Browser) -> None:
        """Write the contact sheets."""
        with self.opened(browser) as page:
            for width in self.widths:
                for scheme in SCHEMES:
                    for number, first in enumerate(range(0, len(self.states), ON_A_SHEET[width]), 1):
                        states = self.states[first : first + ON_A_SHEET[width]]
                        self._write_sheet(page, width, scheme, number, states)

    def _write_sheet(self, page: Page, width: int, scheme: str, number: int, states: list[str]) -> None:
        figures = [
            f"<figure><figcaption>{escape(state)}</figcaption>"
            f"<img src='{self._path(state, width, scheme).name}' width={width}></figure>"
            for state in states
        ]
        name = f"sheet-{width}-{scheme}-{number:02}"
        sheet = self.folder / f"{name}.html"
        sheet.write_text(SHEET + "".join(figures))
        page.set_viewport_size({"width": len(states) * (width + 12) + 8, "height": 400})
        page.goto(sheet.resolve().as_uri())
        page.screenshot(path=sheet.with_suffix(".png"), full_page=True)
        sheet.unlink()


def main() -> int:
    """Take all pictures; return 1 if something looks wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=DEVICES, help="one device")
    parser.add_argument("--parts", nargs="+", choices=page_states.PARTS, default=list(page_states.PARTS))
    options = parser.parse_args()
    build()
    options.folder.mkdir(parents=True, exist_ok=True)
    albums = [Album(options.folder, device) for device in ([options.only] if options.only else DEVICES)]
    with running_chromium() as browser, running_servers() as place:
        for name in options.parts:
            for album in albums:
                page_states.PARTS[name](page_states.Visit(browser, album, place))
        for album in albums:
            album.write_sheets(browser)
    wrong = sum(album.wrong for album in albums)
    print(f"{wrong} findings; look at the sheets in {options.folder}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
