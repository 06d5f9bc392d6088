"""A user's steps on the page. Controls are found by their accessible names."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

EITHER_STATE = re.compile("true|false")


def pick(page: Page, *songs: Path) -> None:
    """Choose files in the file dialog."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="songs").click()
    chooser.value.set_files(list(songs))


def drop(page: Page, song: Path) -> None:
    """Drop a file onto the page, as from the desktop."""
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
    """The song's card."""
    return page.get_by_role("article", name=song.stem)


def wait_until_separating(page: Page, song: Path) -> None:
    """Wait until a part of the song is separated. Looks at each frame, as a short song is separated in a second."""
    page.wait_for_function(
        """name => [...document.querySelectorAll('article')].some(card =>
          card.textContent.includes(name) &&
          /^Separating · [1-9]\\d? %/.test(card.querySelector('[role=progressbar]')?.ariaValueText))""",
        arg=song.stem,
        polling="raf",
    )


def wait_until_done(page: Page, song: Path) -> None:
    """Wait until the song can be opened."""
    expect(card(page, song).get_by_role("button", name=song.stem, exact=True)).to_have_attribute(
        "aria-expanded", EITHER_STATE
    )


def open_song(page: Page, song: Path) -> Locator:
    """Open the song's player and wait for its waveforms. Returns its card."""
    wait_until_done(page, song)
    title = card(page, song).get_by_role("button", name=song.stem, exact=True)
    if title.get_attribute("aria-expanded") == "false":
        title.click()
    expect(card(page, song).get_by_role("button", name="Play", exact=True)).to_be_visible()
    return card(page, song)
