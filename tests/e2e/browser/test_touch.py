"""Phones of 320 px: in every state all targets have 44 px, no words are cut off, and no controls overlap."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.layout import problems
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, open_song, pick, wait_until_separating

PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}


def check(page: Page, state: str) -> None:
    """Check the page as it is now."""
    assert problems(page) == [], state


def test_every_state_fits_a_small_phone(
    server: Server, visit: OpenVisit, songs: dict[str, Path], separated: str, tmp_path: Path
) -> None:
    page = visit(server.address, color_scheme="dark", **PHONE).page
    check(page, "empty")
    long_name = tmp_path / ("A very long name of a song that is far too long for a phone" * 2 + ".mp3")
    long_name.write_bytes(songs["broken"].read_bytes())
    pick(page, long_name)
    expect(card(page, long_name)).to_contain_text("damaged")
    page.get_by_text("Change").tap()
    check(page, "failed, with the choices")
    page.get_by_text("Change").or_(page.get_by_text("Done")).first.tap()

    page.goto(f"{server.address}#/s/{separated}")
    song = open_song(page, songs["short"])
    check(page, "open")
    song.get_by_role("button", name="Tempo: less").tap()
    song.get_by_role("button", name="Loop", exact=True).tap()
    song.get_by_role("button", name="Mute Vocals").tap()
    check(page, "loop, tempo and mix")
    for button in song.get_by_role("button", name=re.compile("^Split|other model")).all():
        button.tap()
        check(page, "menu for a split")
        page.keyboard.press("Escape")
    song.get_by_role("button", name="Delete now").tap()
    check(page, "question before a deletion")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keyboard shortcuts").tap()
    check(page, "keyboard shortcuts")
    page.keyboard.press("Escape")

    pick(page, songs["long"])
    wait_until_separating(page, songs["long"])
    check(page, "separating")
    card(page, songs["long"]).get_by_role("button", name=re.compile("^Cancel")).tap()
    expect(card(page, songs["long"])).to_contain_text("Try again")
    page.context.set_offline(True)
    page.evaluate("() => window.dispatchEvent(new Event('vite:preloadError'))")
    expect(page.get_by_role("button", name="Reload")).to_be_visible()
    check(page, "cancelled, and a missing part")
