"""A person's own songs on the page: rename, keep, share, separate again, search and sort."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.e2e.browser import audio_probe
from tests.e2e.browser.conftest import OpenVisit
from tests.e2e.browser.layout import problems
from tests.e2e.browser.server import Server
from tests.e2e.browser.steps import card, open_song, pick, wait_until_done
from tests.e2e.browser.test_accessibility import findings

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
PICTURES = os.environ.get("UNBRAID_PICTURES")
"""Folder for pictures of the page, to look at."""


def picture(page: Page, name: str) -> None:
    if PICTURES is not None:
        page.screenshot(path=Path(PICTURES, f"{name}.png"), full_page=True)


def choose_lite(page: Page, stems: str) -> None:
    page.get_by_label("With model").select_option("lite")
    page.get_by_label("Split into stems").select_option(stems)


def test_own_songs_are_renamed_kept_shared_and_separated_again(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    song = tmp_path / "Duet.wav"
    song.write_bytes(songs["short"].read_bytes())
    owner = visit(server.address, color_scheme="dark")
    page = owner.page
    choose_lite(page, "vocals")
    pick(page, song)
    open_song(page, song)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url.split('?')[0]}"))

    page.get_by_role("button", name="More for Duet").click()
    menu = page.get_by_role("dialog")
    menu.get_by_label("Name").fill("Duet, slow")
    menu.get_by_role("button", name="Rename").click()
    expect(menu.get_by_role("heading", name="Duet, slow")).to_be_visible()
    menu.get_by_label("Keep this song").click()
    expect(menu.get_by_label("Keep this song")).to_be_checked()
    menu.get_by_role("button", name="Share a link").click()
    link = menu.get_by_label("Link to share").input_value()
    expect(menu.get_by_role("status")).to_have_text("The link works until you stop sharing.")  # it is kept
    assert findings(page) == []
    picture(page, "menu-dark")
    page.keyboard.press("Escape")
    renamed = tmp_path / "Duet, slow.wav"
    expect(card(page, renamed)).to_contain_text("kept")
    expect(card(page, renamed)).to_contain_text("shared")
    session = page.evaluate("() => JSON.parse(localStorage['unbraid.songs'])[0].id")
    assert session not in link

    # Another person, on a phone, without the owner's token.
    guest = visit(link, ready="shared with you", color_scheme="light", **PHONE)
    expect(guest.page.get_by_role("heading", name="Duet, slow")).to_be_visible()
    guest.page.get_by_role("button", name="Play", exact=True).click()
    audio_probe.wait_until_heard(guest.page)
    guest.page.get_by_role("button", name="Mute Vocals").click()
    with guest.page.expect_download() as download:
        guest.page.get_by_role("button", name="This mix").click()
    assert download.value.suggested_filename == "Duet, slow - mix.wav"
    for name in ("Delete", "Split", "More for", "Rename"):
        expect(guest.page.get_by_role("button", name=name)).to_have_count(0)
    assert session not in guest.page.content()
    assert guest.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert findings(guest.page) == []
    picture(guest.page, "shared-phone-light")

    # Four stems of the song that was separated in two: no upload.
    page.get_by_role("button", name="More for Duet, slow").click()
    menu.get_by_role("button", name="Separate again with").click()
    menu.get_by_label("With model").select_option("lite")
    menu.get_by_label("Split into stems").select_option("all")
    assert findings(page) == []
    picture(page, "again-dark")
    menu.get_by_role("button", name="Separate again", exact=True).click()
    both = page.get_by_role("article", name="Duet, slow")
    expect(both).to_have_count(2)
    expect(both.first).to_contain_text("4 stems")
    assert not any(one.startswith("PUT") or one.endswith("/upload") for one in sent)

    # The name is the server's: a reload and another tab have it too. The link ends when the owner ends it.
    page.reload()
    expect(both).to_have_count(2)
    page.get_by_role("button", name="More for Duet, slow").last.click()
    menu.get_by_role("button", name="Stop sharing").click()
    expect(menu.get_by_role("button", name="Share a link")).to_be_visible()
    guest.page.reload()
    expect(guest.page.get_by_role("alert")).to_contain_text("no longer works")
    assert findings(guest.page) == []
    assert owner.errors == []


def test_songs_are_found_sorted_and_only_retried_where_that_can_help(
    server: Server, visit: OpenVisit, songs: dict[str, Path], tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.wav" for name in ("Track 10", "Für Elise", "track 9")]
    for file in files:
        file.write_bytes(songs["short"].read_bytes())
    page = visit(server.address, **PHONE).page
    choose_lite(page, "vocals")
    pick(page, *files, songs["broken"])
    for file in files:
        wait_until_done(page, file)
    broken = card(page, songs["broken"])
    expect(broken).to_contain_text("damaged")
    expect(broken.get_by_role("button", name="Remove")).to_be_visible()
    expect(broken.get_by_role("button", name="Try again")).to_have_count(0)
    titles = page.get_by_role("list", name="Songs").get_by_role("heading", level=2)
    expect(titles).to_have_text([*(file.stem for file in files), "Broken"])  # the first dropped is on top
    page.get_by_label("Order of the songs").select_option("Name")
    expect(titles).to_have_text(["Broken", "Für Elise", "track 9", "Track 10"])
    page.get_by_label("Search songs").fill("fur")
    expect(titles).to_have_text(["Für Elise"])
    expect(page.get_by_text("1 of 4 songs")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert findings(page) == []
    picture(page, "search-phone")
    page.get_by_label("Search songs").fill("")
    assert problems(page) == []
    picture(page, "list-phone")
    page.reload()
    expect(titles).to_have_text(["Broken", "Für Elise", "track 9", "Track 10"])
