"""What people do on the page, by the names that a screen reader would give them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

UNDER_WAY = re.compile(r"Taking it apart · [1-9]\d? %")
ANY = re.compile("true|false")


def pick(page: Page, *songs: Path) -> None:
    """By the file dialog."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="songs").click()
    chooser.value.set_files(list(songs))


def drop(page: Page, song: Path) -> None:
    """As from the desktop, onto the middle of the page."""
    page.evaluate(
        """([name, type, content]) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name, { type }));
          for (const kind of ['dragenter', 'dragover', 'drop'])
            document.querySelector('main').dispatchEvent(
              new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        [song.name, "audio/wav", base64.b64encode(song.read_bytes()).decode()],
    )


def card(page: Page, song: Path) -> Locator:
    """The song's part of the page."""
    return page.get_by_role("article", name=song.stem)


def wait_until_under_way(page: Page, song: Path) -> None:
    """Until some of the work is done, and not all."""
    expect(card(page, song).get_by_role("progressbar")).to_have_attribute("aria-valuetext", UNDER_WAY)


def wait_until_done(page: Page, song: Path) -> None:
    """Until it can be opened."""
    expect(card(page, song).get_by_role("button", name=song.stem, exact=True)).to_have_attribute(
        "aria-expanded", ANY
    )


def open_song(page: Page, song: Path) -> Locator:
    """Its player, with waveforms."""
    wait_until_done(page, song)
    title = card(page, song).get_by_role("button", name=song.stem, exact=True)
    if title.get_attribute("aria-expanded") == "false":
        title.click()
    expect(card(page, song).get_by_role("button", name="Play", exact=True)).to_be_visible()
    return card(page, song)
